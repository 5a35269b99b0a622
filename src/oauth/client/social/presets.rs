//! What is known of the providers that people use most, so that they need not look it up.

/// A provider's settings; empty texts are for the administrator, or for discovery, to fill in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Preset {
    /// The option in Social Login Provider.
    pub provider: &'static str,
    /// The end of Frappe's name for the callback: `login_via_<callback>`.
    pub callback: &'static str,
    /// The address of the provider; empty where each has their own.
    pub base_url: &'static str,
    /// It describes itself by OpenID Connect Discovery.
    pub discovery: bool,
    /// Where people are sent.
    pub authorize_url: &'static str,
    /// Where codes become tokens.
    pub access_token_url: &'static str,
    /// Who the person is.
    pub api_endpoint: &'static str,
    /// Parameters of that request, as JSON.
    pub api_endpoint_args: &'static str,
    /// What is asked for.
    pub scopes: &'static str,
    /// Where the answer holds the person's id.
    pub user_id_property: &'static str,
    /// When the email address of a new account is believed.
    pub believes_email: BelievesEmail,
}

/// When the email address of a new account is believed. Linking to an account that is there always takes a verified one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BelievesEmail {
    /// If the provider says that it is verified.
    IfVerified,
    /// Unless the provider says that it is not: it tells only addresses that belong to the person, and has no word for it.
    UnlessUnverified,
    /// Always: whoever has an account there got it from its administrators or by a mail to that address.
    Always,
}

impl BelievesEmail {
    /// Whether it is believed, given what the provider says about it.
    pub(crate) fn believes(self, verified: Option<bool>) -> bool {
        match self {
            Self::IfVerified => verified == Some(true),
            Self::UnlessUnverified => verified != Some(false),
            Self::Always => true,
        }
    }
}

const OPENID: Preset = Preset {
    provider: "",
    callback: "",
    base_url: "",
    discovery: true,
    authorize_url: "",
    access_token_url: "",
    api_endpoint: "",
    api_endpoint_args: "",
    scopes: "openid email profile",
    user_id_property: "sub",
    believes_email: BelievesEmail::IfVerified,
};

/// The placeholder for the tenant in Microsoft's address.
pub(crate) const TENANT: &str = "{tenant}";

/// Every preset. Custom is none: there, everything is the administrator's to enter.
pub(crate) const PRESETS: [Preset; 8] = [
    Preset { provider: "Google", callback: "google", base_url: "https://accounts.google.com", ..OPENID },
    Preset {
        provider: "GitHub",
        callback: "github",
        base_url: "https://api.github.com",
        discovery: false,
        authorize_url: "https://github.com/login/oauth/authorize",
        access_token_url: "https://github.com/login/oauth/access_token",
        api_endpoint: "/user",
        scopes: "user:email",
        user_id_property: "id",
        ..OPENID
    },
    Preset {
        provider: "Facebook",
        callback: "facebook",
        base_url: "https://graph.facebook.com",
        discovery: false,
        authorize_url: "https://www.facebook.com/dialog/oauth",
        access_token_url: "https://graph.facebook.com/oauth/access_token",
        api_endpoint: "/me",
        api_endpoint_args: r#"{"fields": "first_name,last_name,email,picture"}"#,
        scopes: "email public_profile",
        user_id_property: "id",
        believes_email: BelievesEmail::UnlessUnverified,
    },
    Preset {
        provider: "Office 365",
        callback: "office365",
        base_url: "https://login.microsoftonline.com/{tenant}/v2.0",
        believes_email: BelievesEmail::UnlessUnverified,
        ..OPENID
    },
    Preset {
        provider: "Salesforce",
        callback: "salesforce",
        base_url: "https://login.salesforce.com",
        scopes: "openid",
        ..OPENID
    },
    Preset {
        provider: "Frappe",
        callback: "frappe",
        discovery: false,
        authorize_url: "/api/method/frappe.integrations.oauth2.authorize",
        access_token_url: "/api/method/frappe.integrations.oauth2.get_token",
        api_endpoint: "/api/method/frappe.integrations.oauth2.openid_profile",
        scopes: "openid",
        believes_email: BelievesEmail::Always,
        ..OPENID
    },
    Preset {
        provider: "fairlogin",
        callback: "fairlogin",
        base_url: "https://id.fairkom.net/auth/realms/fairlogin",
        scopes: "openid",
        ..OPENID
    },
    Preset {
        provider: "Keycloak",
        callback: "keycloak",
        scopes: "openid",
        user_id_property: "preferred_username",
        ..OPENID
    },
];

/// The preset of an option; `None` for Custom.
pub(crate) fn of(provider: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.provider == provider)
}

impl Preset {
    /// Each has an address of their own.
    pub(crate) fn has_custom_base_url(&self) -> bool {
        self.base_url.is_empty()
    }

    /// Fieldnames with the values that it fills in where nothing was entered.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&'static str, &'static str)> + use<> {
        let values = [
            ("provider_name", self.provider),
            ("base_url", self.base_url),
            ("authorize_url", self.authorize_url),
            ("access_token_url", self.access_token_url),
            ("api_endpoint", self.api_endpoint),
            ("api_endpoint_args", self.api_endpoint_args),
            ("user_id_property", self.user_id_property),
        ];
        // The address with a place for the tenant stays out of the field: there it would be no address.
        values.into_iter().filter(|(_, value)| !value.is_empty() && !value.contains(TENANT))
    }

    /// The name of the key if it is named like the provider.
    pub(crate) fn key_name(&self) -> String {
        crate::meta::doctype::scrub(self.provider)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_the_doctype_has_a_preset_but_custom() {
        let yaml = include_str!("../../../../doctypes/oauth/social_login_key.yaml");
        for preset in PRESETS {
            assert!(yaml.contains(&format!("- {}\n", preset.provider)), "{}", preset.provider);
            assert_eq!(of(preset.provider), Some(&preset));
            assert!(preset.discovery || !preset.authorize_url.is_empty(), "{}", preset.provider);
        }
        assert_eq!(of("Custom"), None);
    }
}
