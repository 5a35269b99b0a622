//! Changes of DocType files from the desk: which file, what it would do, and writing it so that it counts at once or not at all.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;

use crate::app::definitions::{self, Putting};
use crate::app::sources;
use crate::database::plan::{Change, Risk};
use crate::document::restore::VERSION;
use crate::error::{Error, ProblemKind, Result};
use crate::meta::in_force::{Fault, stands_in};
use crate::meta::load::{Severity, Source, load};
use crate::meta::{DocType, Value};
use crate::permissions::Session;
use crate::reload;
use crate::web::Site;
use crate::web::model::{FileWish, Model, ModelFile, ModelProblem, Preview, Step};

/// Where overlays lie that the desk makes.
const OVERLAYS: &str = "custom";

/// The files of a site.
pub(super) struct Files {
    /// DocTypes besides those of the folders.
    pub extra: Vec<Source>,
}

/// The first folder of DocType files, where new ones go.
fn folder(site: &Site) -> Result<&PathBuf> {
    let none = || Error::misuse("There is no folder for DocType files: set DOCTYPED_DOCTYPES");
    site.config.doctypes.first().ok_or_else(none)
}

/// Why a file cannot be written, if it cannot.
fn obstacle(path: &Path) -> String {
    let folder = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    match tempfile::Builder::new().prefix(".doctyped-").tempfile_in(folder) {
        Ok(_) => String::new(),
        Err(error) => format!("{} cannot be written to: {error}", folder.display()),
    }
}

fn new_file(path: &Path, is_overlay: bool, beneath: Option<Arc<DocType>>) -> ModelFile {
    let obstacle = obstacle(path);
    ModelFile { path: path.display().to_string(), text: None, is_overlay, beneath, obstacle }
}

/// A path for which there is no file yet.
fn free(folder: &Path, stem: &str) -> PathBuf {
    let numbered = (2..).map(|number| folder.join(format!("{stem}_{number}.yaml")));
    std::iter::once(folder.join(format!("{stem}.yaml"))).chain(numbered).find(|path| !path.exists()).unwrap_or_default()
}

/// A name as a part of a path.
fn part(name: &str) -> String {
    let part: String = name.to_lowercase().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    part.trim_matches('_').to_owned()
}

#[async_trait]
impl Model for Files {
    fn file_of(&self, site: &Site, doctype: &DocType) -> Result<ModelFile> {
        if stands_in(doctype) || site.doctype_files.faults().iter().any(|fault| fault.doctype == doctype.name) {
            let message = format!("What the files say of {} is not in force: /app/_definitions says why", doctype.name);
            return Err(Error::misuse(message));
        }
        let last = doctype.sources.last().map_or("", String::as_str);
        let source = Source { path: last.to_owned(), text: String::new() };
        let is_given = source.is_shipped() || self.extra.iter().any(|extra| extra.path == last);
        if is_given || last.is_empty() {
            let path = free(&folder(site)?.join(OVERLAYS), &part(&doctype.name));
            return Ok(new_file(&path, true, site.documents.registry().get(&doctype.name).cloned()));
        }
        let text = std::fs::read_to_string(last)
            .map_err(|error| Error::misuse(format!("The file {last} cannot be read: {error}")))?;
        let is_overlay = doctype.sources.len() > 1;
        let mut files = sources::all(&site.config, &self.extra);
        files.put(&site.config, last, None);
        let without = || load(&files.sources).doctypes.into_iter().find(|other| other.name == doctype.name);
        let beneath = if is_overlay { without() } else { None };
        let obstacle = obstacle(Path::new(last));
        Ok(ModelFile { path: last.to_owned(), text: Some(text), is_overlay, beneath, obstacle })
    }

    fn place_for(&self, site: &Site, module: &str, name: &str) -> Result<ModelFile> {
        let module = part(module);
        let folder = folder(site)?;
        let folder = if module.is_empty() { folder.clone() } else { folder.join(module) };
        Ok(new_file(&free(&folder, &part(name)), false, None))
    }

    async fn preview(&self, site: &Site, wish: &FileWish) -> Result<Preview> {
        let putting = reload::putting(site, &self.extra);
        let database = site.documents.database();
        let found = definitions::preview(database, putting, &wish.path, wish.after.as_deref()).await;
        let (registry, problems, faults, plan) = found.map_err(Error::Internal)?;
        let known = site.doctype_files.problems();
        let is_news = |line: &String| !known.contains(line);
        let concerns = |doctype: &str, file: &str| doctype == wish.doctype || file == wish.path;
        let (errors, warnings): (Vec<_>, Vec<_>) = problems
            .into_iter()
            .filter(|problem| concerns(&problem.doctype, &problem.file))
            .partition(|problem| problem.severity == Severity::Error);
        let warnings = warnings.iter().map(ToString::to_string).collect();
        let told = errors.into_iter().map(|problem| ModelProblem { field: problem.field, message: problem.message });
        let mut told: Vec<ModelProblem> = told.collect();
        if told.is_empty() {
            // What follows from it elsewhere.
            let lines = faults.iter().flat_map(|fault| &fault.lines).filter(|line| is_news(line));
            told.extend(lines.map(|line| ModelProblem { field: None, message: line.clone() }));
        }
        if told.is_empty() && wish.after.is_some() && registry.get(&wish.doctype).is_none() {
            let message = format!("The file does not define {}: a DocType keeps its name here", wish.doctype);
            told.push(ModelProblem { field: None, message });
        }
        let step = |change: &Change| Step {
            text: change.to_string(),
            is_risky: matches!(change.risk, Risk::Risky(_)),
            is_refused: matches!(change.risk, Risk::Refused(_)),
        };
        Ok(Preview { problems: told, warnings, plan: plan.changes.iter().map(step).collect(), registry })
    }

    async fn apply(&self, site: &Site, session: &Session, wish: &FileWish, agreed: bool, why: &str) -> Result<()> {
        let _changing = site.doctype_files.changing().await;
        let path = PathBuf::from(&wish.path);
        let now = match std::fs::read_to_string(&path) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::misuse(format!("The file {} cannot be read: {error}", wish.path))),
        };
        if now != wish.before {
            let message = format!("Somebody changed {} meanwhile: look at it again", wish.path);
            return Err(Error::invalid(ProblemKind::TimestampMismatch, message));
        }
        write(&path, wish.after.as_deref())?;
        let putting = Putting { agreed: agreed.then_some(wish.doctype.as_str()), ..reload::putting(site, &self.extra) };
        let done = reload::put(site, putting).await;
        let refused = match &done {
            Ok(in_force) => held_back(&in_force.faults, &wish.doctype),
            Err(error) => vec![format!("{error:#}")],
        };
        if !refused.is_empty() {
            write(&path, wish.before.as_deref())?;
            if let Ok(in_force) = reload::put(site, reload::putting(site, &self.extra)).await {
                reload::note(site, in_force.faults);
            }
            return Err(Error::misuse(format!("{} was left as it was. {}", wish.path, refused.join("\n"))));
        }
        if let Ok(in_force) = done {
            tracing::info!(doctype = wish.doctype, file = wish.path, user = session.user(), "DocType file changed");
            reload::note(site, in_force.faults);
        }
        let data = json!({ "changed": [], "file": wish.path, "before": wish.before, "after": wish.after, "why": why });
        let values = [
            ("ref_doctype", Value::from("DocType")),
            ("docname", Value::from(wish.doctype.as_str())),
            ("data", Value::from(data.to_string())),
        ];
        let mut work = site.documents.begin(session).await?;
        work.insert_log(VERSION, &values).await?;
        work.commit().await
    }
}

/// Why the DocType is not as it was wanted; empty if it is.
fn held_back(faults: &[Fault], doctype: &str) -> Vec<String> {
    faults.iter().filter(|fault| fault.doctype == doctype).flat_map(|fault| fault.lines.clone()).collect()
}

/// Writes a file so that it is there whole or not at all.
fn write(path: &Path, text: Option<&str>) -> Result<()> {
    let failed = |error: std::io::Error| Error::misuse(format!("{} cannot be written: {error}", path.display()));
    let Some(text) = text else {
        return match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        };
    };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut file = tempfile::Builder::new().prefix(".doctyped-").tempfile_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As it was, or as everybody's new files are here; temporary ones are nobody else's.
        let mode = std::fs::metadata(path).map_or(0o644, |known| known.permissions().mode());
        file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    }
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}
