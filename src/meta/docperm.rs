//! One permission row of a DocType: which role may do what, at which level.

use serde_json::{Map, Value as Json};

/// A right. The order is that of Frappe's permission grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the right of that name")]
pub enum Right {
    Select,
    Read,
    Write,
    Create,
    Delete,
    Submit,
    Cancel,
    Amend,
    Print,
    Email,
    Report,
    Import,
    Export,
    Share,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 14] = [
        Self::Select,
        Self::Read,
        Self::Write,
        Self::Create,
        Self::Delete,
        Self::Submit,
        Self::Cancel,
        Self::Amend,
        Self::Print,
        Self::Email,
        Self::Report,
        Self::Import,
        Self::Export,
        Self::Share,
    ];

    /// The key in a permission row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Read => "read",
            Self::Write => "write",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::Submit => "submit",
            Self::Cancel => "cancel",
            Self::Amend => "amend",
            Self::Print => "print",
            Self::Email => "email",
            Self::Report => "report",
            Self::Import => "import",
            Self::Export => "export",
            Self::Share => "share",
        }
    }

    /// The right of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.as_str() == name)
    }
}

/// A set of rights, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// Every right.
    pub const ALL: Self = Self((1 << 14) - 1);

    /// Adds a right.
    pub fn insert(&mut self, right: Right) {
        self.0 |= 1 << right as u16;
    }

    /// Takes a right away.
    pub fn remove(&mut self, right: Right) {
        self.0 &= !(1 << right as u16);
    }

    /// Whether the right is in the set.
    pub fn contains(self, right: Right) -> bool {
        self.0 & (1 << right as u16) != 0
    }

    /// Both together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What both have.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether no right is in the set.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The rights in the set.
    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.contains(*right))
    }
}

/// A permission row (Frappe's DocPerm).
#[derive(Clone, Debug, Default)]
pub struct DocPerm {
    /// The role.
    pub role: String,
    /// The level of the fields that it opens, 0 to 9; rights other than read and write count at level 0 only.
    pub permlevel: u8,
    /// Only for documents that the user owns.
    pub if_owner: bool,
    /// The rights.
    pub rights: Rights,
    /// Sees the values of masked fields of its level (Frappe's `mask`).
    pub mask: bool,
}

impl DocPerm {
    /// The row as Frappe writes it into JSON.
    pub fn to_keys(&self) -> Map<String, Json> {
        let mut keys = Map::new();
        keys.insert("role".to_owned(), Json::from(self.role.as_str()));
        keys.insert("permlevel".to_owned(), Json::from(self.permlevel));
        keys.insert("mask".to_owned(), Json::from(u8::from(self.mask)));
        keys.insert("if_owner".to_owned(), Json::from(u8::from(self.if_owner)));
        for right in Right::ALL {
            keys.insert(right.as_str().to_owned(), Json::from(u8::from(self.rights.contains(right))));
        }
        keys
    }
}
