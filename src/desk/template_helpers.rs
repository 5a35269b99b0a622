//! Helpers of the desk's templates: icons, and HTML that is always cleaned before it is placed.

use handlebars::{Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext};

/// The helpers by name.
pub(super) fn all() -> Vec<(&'static str, Box<dyn HelperDef + Send + Sync>)> {
    vec![("icon", Box::new(icon)), ("safe_html", Box::new(safe_html))]
}

/// `{{icon "plus"}}`: an icon of the sprite; decoration only, so hidden from screen readers.
fn icon(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let name = helper.param(0).and_then(|param| param.value().as_str()).unwrap_or("");
    // Names come from templates and views of this program; anything else is not an icon.
    if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
        out.write("<svg class=\"icon\" aria-hidden=\"true\"><use href=\"/assets/desk/icons.svg#")?;
        out.write(name)?;
        out.write("\"></use></svg>")?;
    }
    Ok(())
}

/// `{{safe_html text}}`: HTML without scripts, styles, event handlers and foreign frames.
fn safe_html(
    helper: &Helper<'_>,
    _: &Handlebars<'_>,
    _: &Context,
    _: &mut RenderContext<'_, '_>,
    out: &mut dyn Output,
) -> HelperResult {
    let text = helper.param(0).and_then(|param| param.value().as_str()).unwrap_or("");
    out.write(&ammonia::clean(text))?;
    Ok(())
}
