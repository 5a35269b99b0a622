//! Every DocType by name, with the links between them; swapped whole on reload.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use crate::language::Language;
use crate::meta::doctype::{DocType, slug};
use crate::meta::fieldtype::Fieldtype;
use crate::meta::formula::Formulas;

/// A Link field that points at a DocType.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The DocType that holds the link.
    pub doctype: String,
    /// The Link or Dynamic Link field.
    pub fieldname: String,
    /// For a Dynamic Link: the field that names the target DocType.
    pub type_field: Option<String>,
}

/// One consistent set of DocTypes.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    doctypes: BTreeMap<String, Arc<DocType>>,
    by_slug: HashMap<String, String>,
    links: HashMap<String, Vec<Reference>>,
    dynamic_links: Vec<Reference>,
    parents: HashMap<String, Vec<(String, String)>>,
    formulas: HashMap<String, Arc<Formulas>>,
    /// The same for other languages, made when somebody first reads them.
    localized: Arc<Mutex<HashMap<String, Arc<Self>>>>,
    /// Counts the swaps; anything derived from a registry is keyed by it.
    pub generation: u64,
}

impl Registry {
    /// Builds the registry and its indexes.
    pub fn new(doctypes: impl IntoIterator<Item = Arc<DocType>>, generation: u64) -> Self {
        let doctypes: BTreeMap<_, _> = doctypes.into_iter().map(|doctype| (doctype.name.clone(), doctype)).collect();
        let mut registry = Self { generation, ..Self::default() };
        for doctype in doctypes.values() {
            registry.by_slug.insert(slug(&doctype.name), doctype.name.clone());
            for field in &doctype.fields {
                let reference = |type_field| Reference {
                    doctype: doctype.name.clone(),
                    fieldname: field.fieldname.clone(),
                    type_field,
                };
                match field.fieldtype {
                    Fieldtype::Link if field.has_column() => {
                        registry.links.entry(field.options.clone()).or_default().push(reference(None));
                    }
                    Fieldtype::DynamicLink if field.has_column() => {
                        registry.dynamic_links.push(reference(Some(field.options.clone())));
                    }
                    _ if field.fieldtype.is_table() => registry
                        .parents
                        .entry(field.options.clone())
                        .or_default()
                        .push((doctype.name.clone(), field.fieldname.clone())),
                    _ => {}
                }
            }
        }
        for (name, doctype) in &doctypes {
            let found = Formulas::of(doctype, &|name| doctypes.get(name).map(Arc::as_ref));
            // What has a circle is not in force.
            registry.formulas.extend(found.ok().flatten().map(|found| (name.clone(), Arc::new(found))));
        }
        registry.doctypes = doctypes;
        registry
    }

    /// The same DocTypes as people read them in a language; what they translate themselves counts in messages, too.
    pub fn in_language(self: &Arc<Self>, language: &Language) -> Arc<Self> {
        if language.is_english() {
            return Arc::clone(self);
        }
        let mut known = self.localized.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let own = self.iter().filter_map(|doctype| doctype.translations.get(language.code()));
            let mut texts = HashMap::new();
            for (text, translation) in own.flatten() {
                texts.entry(text.clone()).or_insert_with(|| translation.clone());
            }
            language.set_of_definitions(texts);
            let doctypes = self.iter().map(|doctype| Arc::new(doctype.in_language(language)));
            Arc::new(Self::new(doctypes, self.generation))
        };
        Arc::clone(known.entry(language.code().to_owned()).or_insert_with(make))
    }

    /// The DocType of that name, exact case.
    pub fn get(&self, name: &str) -> Option<&Arc<DocType>> {
        self.doctypes.get(name)
    }

    /// The formulas and validations of a DocType and its rows; `None` if it has none.
    pub(crate) fn formulas(&self, doctype: &str) -> Option<&Arc<Formulas>> {
        self.formulas.get(doctype)
    }

    /// The DocType with that address part in the desk.
    pub fn by_slug(&self, slug: &str) -> Option<&Arc<DocType>> {
        self.by_slug.get(slug).and_then(|name| self.doctypes.get(name))
    }

    /// All DocTypes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DocType>> {
        self.doctypes.values()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.doctypes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.doctypes.is_empty()
    }

    /// The Link fields, in any DocType, that point at this one.
    pub fn links_to(&self, doctype: &str) -> &[Reference] {
        self.links.get(doctype).map_or(&[], Vec::as_slice)
    }

    /// Every Dynamic Link field.
    pub fn dynamic_links(&self) -> &[Reference] {
        &self.dynamic_links
    }

    /// The parent DocTypes and table fields that hold rows of a child table.
    pub fn parents_of(&self, child: &str) -> &[(String, String)] {
        self.parents.get(child).map_or(&[], Vec::as_slice)
    }
}
