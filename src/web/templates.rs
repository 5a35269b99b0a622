//! Pages from Handlebars templates and the assets beside them: embedded, and overridden by a folder.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use anyhow::Context as _;
use arc_swap::ArcSwap;
use handlebars::{
    Context, Handlebars, Helper, HelperDef, HelperResult, Output, RenderContext, RenderErrorReason, Renderable,
};
use poem::Response;
use poem::http::{StatusCode, header};
use regex::Regex;
use rust_embed::RustEmbed;
use serde::Serialize;
use serde_json::Value as Json;

use crate::error::{Error, Result};
use crate::language::{Catalogs, Language, Languages};
use crate::pace;
use crate::secret;
use crate::web::compress::{Packed, names_tag};
use crate::web::localize::localize;
use crate::web::request::Exchange;

#[derive(RustEmbed)]
#[folder = "templates/"]
struct Embedded;

/// In front of the version in the address of an asset.
const RELEASE: char = '~';
/// Where assets lie under `templates/`, and the path they are served at.
const ASSETS: &str = "assets/";
/// Where the catalogs of languages lie under `templates/`.
const CATALOGS: &str = "locale/";
/// How they end.
const CATALOG: &str = ".po";

/// What scripts say to people: `t("…")`.
static SAID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"\bt\(\s*"((?:[^"\\]|\\.)*)""#).expect("a pattern of the program is valid"));

/// The catalogs that come with the program, read once.
static SHIPPED: LazyLock<anyhow::Result<Catalogs>> = LazyLock::new(|| {
    let files = Embedded::iter().filter_map(|path| {
        let code = path.strip_prefix(CATALOGS)?.strip_suffix(CATALOG)?.to_owned();
        Some((code, Embedded::get(&path)?.data))
    });
    Catalogs::read(files.collect())
});

/// The templates of a site; cheap to clone.
#[derive(Clone)]
pub struct Templates(Arc<Inner>);

struct Inner {
    helpers: Handlebars<'static>,
    /// The templates of each language, compiled when it is first read.
    ready: ArcSwap<HashMap<String, Arc<Handlebars<'static>>>>,
    languages: Languages,
    folder: PathBuf,
    development: bool,
    assets: Mutex<HashMap<String, Arc<Asset>>>,
    release: Arc<str>,
}

/// An asset, ready to be sent.
struct Asset {
    bytes: Packed,
    version: String,
    content_type: String,
}

impl Templates {
    /// Compiles every template; one that does not parse fails the start.
    pub fn new(
        helpers: Vec<(&'static str, Box<dyn HelperDef + Send + Sync>)>,
        folder: &Path,
        development: bool,
    ) -> anyhow::Result<Self> {
        let mut base = Handlebars::new();
        base.set_strict_mode(true);
        // Partials hold values of textareas: indenting them would change what people wrote.
        base.set_prevent_indent(true);
        base.register_helper("include", Box::new(Include));
        for (name, helper) in helpers {
            base.register_helper(name, helper);
        }
        // All assets have one version, in front of their path: what one of them imports from its neighbours has it too.
        let release: Arc<str> = if development { "".into() } else { release(folder).into() };
        let prefix = if development { format!("/{ASSETS}") } else { format!("/{ASSETS}{RELEASE}{release}/") };
        base.register_helper(
            "asset",
            Box::new(
                move |helper: &Helper<'_>,
                      _: &Handlebars<'_>,
                      _: &Context,
                      _: &mut RenderContext<'_, '_>,
                      out: &mut dyn Output|
                      -> HelperResult {
                    let path = helper.param(0).and_then(|param| param.value().as_str()).unwrap_or("");
                    out.write(&prefix)?;
                    Ok(out.write(path)?)
                },
            ),
        );
        let english = Language::english();
        let compiled = Arc::new(compile(&base, folder, &english)?);
        Ok(Self(Arc::new(Inner {
            helpers: base,
            ready: ArcSwap::from_pointee(HashMap::from([(english.code().to_owned(), compiled)])),
            languages: languages(folder)?,
            folder: folder.to_owned(),
            development,
            assets: Mutex::default(),
            release,
        })))
    }

    /// The languages in which there are templates.
    pub fn languages(&self) -> &Languages {
        &self.0.languages
    }

    /// The templates in a language.
    fn ready(&self, language: &Language) -> Result<Arc<Handlebars<'static>>> {
        let Inner { helpers, ready, folder, development, .. } = &*self.0;
        if !development && let Some(known) = ready.load().get(language.code()) {
            return Ok(Arc::clone(known));
        }
        let compiled = pace::aside(true, || compile(helpers, folder, language)).map_err(Error::Internal)?;
        let compiled = Arc::new(compiled);
        ready.rcu(|known| {
            let mut known = HashMap::clone(known);
            known.insert(language.code().to_owned(), Arc::clone(&compiled));
            known
        });
        Ok(compiled)
    }

    /// Renders a template: `desk/form` is `templates/desk/form.hbs`.
    pub fn render(&self, language: &Language, name: &str, view: &impl Serialize) -> Result<String> {
        let ready = self.ready(language)?;
        // A form with thousands of rows takes long.
        pace::aside(true, || ready.render(name, view))
            .map_err(|error| Error::Internal(anyhow::Error::new(error).context(name.to_owned())))
    }

    /// Renders a template as a page.
    pub fn page(&self, language: &Language, name: &str, view: &impl Serialize) -> Result<Response> {
        Ok(html(StatusCode::OK, self.render(language, name, view)?))
    }

    /// The names of all templates.
    pub fn names(&self) -> Vec<String> {
        let ready = self.0.ready.load();
        let english = ready.get(Language::english().code());
        let mut names: Vec<String> = english.iter().flat_map(|ready| ready.get_templates().keys().cloned()).collect();
        names.sort();
        names
    }

    /// An asset: from the folder, else embedded. Read once, unless in development.
    fn asset(&self, path: &str) -> Option<Arc<Asset>> {
        let known = || self.0.assets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(asset) = known().get(path) {
            return Some(Arc::clone(asset));
        }
        let texts = || self.texts_of_scripts(path).map(|text| Cow::Owned(text.into_bytes()));
        let bytes = asset(&self.0.folder, path).or_else(texts)?;
        let mime = mime_guess::from_path(path).first_or_octet_stream();
        let is_text = mime.type_() == "text" || mime.subtype() == "javascript";
        let content_type =
            if is_text { format!("{}; charset=utf-8", mime.essence_str()) } else { mime.essence_str().to_owned() };
        let asset = Arc::new(Asset { version: version(&bytes), bytes: Packed::new(bytes.into_owned()), content_type });
        if !self.0.development {
            known().insert(path.to_owned(), Arc::clone(&asset));
        }
        Some(asset)
    }

    /// `locale/<language>.js`: what the desk's scripts say, in that language.
    fn texts_of_scripts(&self, path: &str) -> Option<String> {
        let language = self.0.languages.get(path.strip_prefix(CATALOGS)?.strip_suffix(".js")?)?;
        let mut texts: BTreeMap<String, Json> = BTreeMap::new();
        for script in Embedded::iter().filter(|path| is_script(path)) {
            let source = asset(&self.0.folder, script.strip_prefix(ASSETS)?)?;
            let source = String::from_utf8_lossy(&source);
            texts.extend(said(&source).into_iter().filter_map(|text| {
                let translated = match language.forms(&text) {
                    Some(forms) => Json::from(forms),
                    None => Json::from(language.text(&text)?),
                };
                Some((text, translated))
            }));
        }
        let texts = serde_json::to_string_pretty(&texts).ok()?;
        Some(format!("export default {texts};\n"))
    }
}

/// Whether it is one of the scripts whose texts are translated.
fn is_script(path: &str) -> bool {
    path.strip_prefix(ASSETS).and_then(|path| path.strip_prefix("desk/")?.strip_suffix(".js")).is_some()
}

/// What a script says to people.
pub fn said(script: &str) -> Vec<String> {
    let literals = SAID.captures_iter(script).map(|found| format!("\"{}\"", &found[1]));
    literals.filter_map(|literal| serde_json::from_str(&literal).ok()).collect()
}

/// The languages of a site: those of the program, and those that its folder adds or changes.
fn languages(folder: &Path) -> anyhow::Result<Languages> {
    let shipped = SHIPPED.as_ref().map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let mut own = Vec::new();
    for entry in std::fs::read_dir(folder.join(CATALOGS)).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if let Some(code) = name.strip_suffix(CATALOG) {
            let bytes = std::fs::read(entry.path()).with_context(|| entry.path().display().to_string())?;
            // In development the folder is the one that is built in.
            let is_shipped = Embedded::get(&format!("{CATALOGS}{name}")).is_some_and(|file| *file.data == *bytes);
            if !is_shipped {
                own.push((code.to_owned(), Cow::Owned(bytes)));
            }
        }
    }
    Languages::new(shipped, own)
}

/// `{{t lead}}`: a text of the program that a view brings, in the language of the page.
struct Say(Language);

impl HelperDef for Say {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        templates: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let value = helper.param(0).map(handlebars::PathAndJson::value);
        let text = match value {
            Some(Json::String(text)) => self.0.say(text),
            Some(Json::Null) | None => Cow::Borrowed(""),
            Some(other) => Cow::Owned(other.to_string()),
        };
        Ok(out.write(&templates.get_escape_fn()(&text))?)
    }
}

/// `{{include "desk/help"}}`: another template in this place, seeing what this place sees.
///
/// A partial (`{{> …}}`) does the same on a copy of all it sees, which then is copied again by every block within: for a
/// form that was three quarters of the work.
struct Include;

impl HelperDef for Include {
    fn call<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        templates: &'reg Handlebars<'reg>,
        context: &'rc Context,
        render: &mut RenderContext<'reg, 'rc>,
        out: &mut dyn Output,
    ) -> HelperResult {
        let name = helper.param(0).and_then(|param| param.value().as_str()).unwrap_or_default();
        let template = templates.get_template(name);
        let template = template.ok_or_else(|| RenderErrorReason::TemplateNotFound(name.to_owned()))?;
        let outer = render.get_current_template_name();
        let result = template.render(templates, context, render, out);
        render.set_current_template_name(outer);
        result
    }
}

/// A page.
pub(crate) fn html(status: StatusCode, text: String) -> Response {
    Response::builder().status(status).content_type("text/html; charset=utf-8").body(text)
}

/// Answers `/assets/<path>`: with an `ETag`, and for good if the address names the version (`/assets/~<version>/<path>`).
pub(crate) async fn serve_asset(exchange: Exchange) -> Result<Response> {
    let templates = &exchange.site.templates;
    let asked = exchange.param("path");
    let (release, path) = asked.strip_prefix(RELEASE).and_then(|rest| rest.split_once('/')).unwrap_or(("", asked));
    let asset = templates.asset(path).ok_or_else(|| Error::NoSuchRoute("There is no such file".to_owned()))?;
    let is_final = !release.is_empty() && *release == *templates.0.release;
    let caching = if is_final { "public, max-age=31536000, immutable" } else { "public, no-cache" };
    let etag = format!("\"{}\"", asset.version);
    let answer = Response::builder().header(header::ETAG, &etag).header(header::CACHE_CONTROL, caching);
    if exchange.header("if-none-match").is_some_and(|tags| names_tag(tags, &etag)) {
        return Ok(answer.status(StatusCode::NOT_MODIFIED).finish());
    }
    let answer = answer.content_type(&asset.content_type).finish();
    Ok(asset.bytes.answer(exchange.request.headers(), answer))
}

fn compile(base: &Handlebars<'static>, folder: &Path, language: &Language) -> anyhow::Result<Handlebars<'static>> {
    let mut ready = base.clone();
    ready.register_helper("t", Box::new(Say(language.clone())));
    for path in Embedded::iter() {
        if let Some(name) = path.strip_suffix(".hbs")
            && let Some(file) = Embedded::get(&path)
        {
            let text = String::from_utf8(file.data.into_owned()).with_context(|| format!("templates/{path}"))?;
            ready
                .register_template_string(name, in_language(text, language))
                .with_context(|| format!("templates/{path}"))?;
        }
    }
    if folder.is_dir() {
        register_folder(&mut ready, folder, folder, language)?;
    }
    Ok(ready)
}

/// The source of a template in a language.
fn in_language(source: String, language: &Language) -> String {
    if language.is_english() {
        return source;
    }
    let html = format!(" lang=\"{}\" dir=\"{}\"", language.code(), language.direction());
    localize(&source, &html, &mut |message| language.text(message).map(str::to_owned))
}

fn register_folder(
    ready: &mut Handlebars<'static>,
    root: &Path,
    folder: &Path,
    language: &Language,
) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            register_folder(ready, root, &path, language)?;
        } else if path.extension().is_some_and(|extension| extension == "hbs") {
            let name = path.strip_prefix(root).unwrap_or(&path).with_extension("");
            let name = name.to_string_lossy().replace('\\', "/");
            let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let text = in_language(text, language);
            ready.register_template_string(&name, text).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}

fn asset(folder: &Path, path: &str) -> Option<Cow<'static, [u8]>> {
    // Only plain names: nothing outside the folder is ever read.
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains('\\')) {
        return None;
    }
    let key = format!("{ASSETS}{path}");
    std::fs::read(folder.join(&key)).ok().map(Cow::Owned).or_else(|| Embedded::get(&key).map(|file| file.data))
}

/// The version of all assets together.
fn release(folder: &Path) -> String {
    let mut paths: Vec<String> =
        Embedded::iter().filter_map(|path| path.strip_prefix(ASSETS).map(str::to_owned)).collect();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        let entries = std::fs::read_dir(folder.join(ASSETS).join(&below)).into_iter().flatten().flatten();
        for entry in entries {
            let path = below.join(entry.file_name());
            if entry.path().is_dir() {
                folders.push(path);
            } else {
                paths.push(path.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    paths.sort();
    paths.dedup();
    let mut all = Vec::new();
    // What scripts say is made of the catalogs.
    let shipped = Embedded::iter().filter(|path| path.starts_with(CATALOGS)).filter_map(|path| Embedded::get(&path));
    shipped.for_each(|catalog| all.extend(secret::sha256(&catalog.data)));
    for entry in std::fs::read_dir(folder.join(CATALOGS)).into_iter().flatten().flatten() {
        all.extend(std::fs::read(entry.path()).iter().flat_map(secret::sha256));
    }
    for path in paths {
        all.extend_from_slice(path.as_bytes());
        all.extend(asset(folder, &path).iter().flat_map(secret::sha256));
    }
    version(&all)
}

fn version(bytes: &[u8]) -> String {
    secret::digest(bytes)[..12].to_owned()
}
