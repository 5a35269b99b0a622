//! What kind of application a new OAuth Client is: what each kind needs, and no more.

use crate::web::panel::{Beginning, Beginnings};

/// Who signs people in asks for this much; whoever needs more says so.
const LEAST: &str = "openid";

/// The values of a kind: every kind sets all of them, so that one may be chosen after another.
macro_rules! values {
    ($kind:literal, $proof:literal, $scopes:expr, $refresh:literal, $own:literal, $device:literal, $looks_up:literal) => {
        &[
            ("application_type", $kind),
            ("token_endpoint_auth_method", $proof),
            ("scopes", $scopes),
            ("allow_refresh_token", $refresh),
            ("allow_client_credentials", $own),
            ("allow_device_code", $device),
            ("can_introspect", $looks_up),
        ]
    };
}

/// The question of a new client.
pub(super) const KINDS: Beginnings = Beginnings {
    question: "What kind of application is it?",
    ways: &[
        Beginning {
            name: "website",
            label: "Website with a server",
            help: "It signs people in, and its server keeps a secret.",
            values: values!("Web", "Client Secret Basic", LEAST, "1", "0", "0", "0"),
        },
        Beginning {
            name: "page",
            label: "Web page alone",
            help: "It runs in the browser and has nowhere to keep a secret.",
            values: values!("Web", "None", LEAST, "1", "0", "0", "0"),
        },
        Beginning {
            name: "installed",
            label: "Phone or desktop",
            help: "It is installed, and opens the browser to sign people in.",
            values: values!("Native", "None", LEAST, "1", "0", "0", "0"),
        },
        Beginning {
            name: "device",
            label: "Device or command line",
            help: "It has no browser: people sign in elsewhere, with a code that it shows.",
            values: values!("Native", "None", LEAST, "1", "0", "1", "0"),
        },
        Beginning {
            name: "service",
            label: "Service without people",
            help: "It acts for itself, with the rights of a user of its own.",
            values: values!("Web", "Client Secret Basic", "", "0", "1", "0", "0"),
        },
        Beginning {
            name: "api",
            label: "API that takes tokens",
            help: "It asks this site what the tokens are worth that it is sent.",
            values: values!("Web", "Client Secret Basic", LEAST, "0", "0", "0", "1"),
        },
    ],
};
