//! Email Account: a server that takes mail, and what must hold for it.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value as Json, json};

use crate::document::controller::need;
use crate::document::view::view;
use crate::document::{Controller, Documents, ListRequest, Work};
use crate::error::{Error, FieldProblem, Invalid, Need, ProblemKind, Result};
use crate::mail::message;
use crate::meta::{Document, Right, Value};
use crate::outgoing::Outgoing;
use crate::outgoing::smtp::{Encryption, Refused, Relay};
use crate::permissions::Session;
use crate::secret::random_name;
use crate::web::mail::{EMAIL_ACCOUNT, Mailer};

view! {
    /// A server that takes mail.
    #[derive(Clone, Debug, Default)]
    pub(super) struct EmailAccount of EMAIL_ACCOUNT {
        /// The document, which is the name that people see as the sender.
        pub name: String = name,
        /// The address that mail comes from.
        pub email_id: String,
        /// Mail goes through it.
        pub enable_outgoing: bool,
        /// All mail does.
        pub default_outgoing: bool,
        /// The server.
        pub smtp_server: String,
        /// Its port; empty: the usual one.
        pub smtp_port: String,
        /// Encrypted by STARTTLS.
        pub use_tls: bool,
        /// Encrypted from the first byte on.
        pub use_ssl_for_outgoing: bool,
        /// It asks for no login.
        pub no_smtp_authentication: bool,
        /// It asks for another name than the address.
        pub login_id_is_different: bool,
        /// That name.
        pub login_id: String,
    }
}

impl EmailAccount {
    /// The account of this name, as it is now.
    pub(super) async fn find(work: &mut Work<'_>, name: &str) -> Result<Option<Self>> {
        Ok(work.find(EMAIL_ACCOUNT, name).await?.map(|document| Self::from(&document)))
    }

    fn encryption(&self) -> Encryption {
        match (self.use_ssl_for_outgoing, self.use_tls) {
            (true, _) => Encryption::Tls,
            (false, true) => Encryption::StartTls,
            (false, false) => Encryption::None,
        }
    }

    /// The port that is meant; `None` if it is not one.
    fn port(&self) -> Option<u16> {
        match self.smtp_port.trim() {
            "" | "0" => Some(match self.encryption() {
                Encryption::None => 25,
                Encryption::StartTls => 587,
                Encryption::Tls => 465,
            }),
            typed => typed.parse().ok(),
        }
    }

    fn user(&self) -> &str {
        if self.login_id_is_different && !self.login_id.is_empty() { &self.login_id } else { &self.email_id }
    }

    /// The server with its login.
    pub(super) async fn relay(&self, work: &mut Work<'_>) -> Result<Relay> {
        let password = if self.no_smtp_authentication {
            None
        } else {
            work.get_password(EMAIL_ACCOUNT, &self.name, "password").await?
        };
        Ok(Relay {
            host: self.smtp_server.trim().to_owned(),
            port: self.port().unwrap_or_default(),
            encryption: self.encryption(),
            login: password.map(|password| (self.user().to_owned(), password)),
        })
    }
}

/// Behaviour of the DocType Email Account.
pub(super) struct EmailAccountController {
    /// Knows which account sends.
    pub mailer: Mailer,
    /// The way out.
    pub outgoing: Arc<Outgoing>,
}

#[async_trait]
impl Controller for EmailAccountController {
    async fn validate(&self, work: &mut Work<'_>, document: &mut Document, _: Option<&Document>) -> Result<()> {
        if !document.check("enable_outgoing") {
            document.set("default_outgoing", false);
            return Ok(());
        }
        // The only one is the one that is meant.
        if others(work, &document.name()).await?.is_empty() {
            document.set("default_outgoing", true);
        }
        let mut invalid = Invalid::default();
        let mut problem = |field: &str, label: &str, message: String| {
            invalid.push(FieldProblem::at(ProblemKind::Validation, field, label, message));
        };
        let account = EmailAccount::from(&*document);
        if message::mailbox(&document.name(), &account.email_id).is_none() {
            problem("email_id", "Email Address", "It is not an email address such as site@example.com".to_owned());
        }
        let has_login = !account.no_smtp_authentication && !document.text("password").is_empty();
        if has_login && account.encryption() == Encryption::None {
            let message = "A password is sent over encrypted connections only: tick Use STARTTLS or Use SSL";
            problem("use_tls", "Use STARTTLS", message.to_owned());
        }
        match account.port().filter(|port| *port > 0) {
            None => problem("smtp_port", "Port", format!("{} is not a port: try 587 or 465", account.smtp_port)),
            Some(port) => {
                let checked = self.outgoing.check_relay(work.documents, &account.smtp_server, port).await;
                if let Err(error) = checked {
                    problem("smtp_server", "Outgoing Server", error.to_string());
                }
            }
        }
        invalid.into_result()
    }

    /// One account is the default: whoever becomes it takes over.
    async fn on_update(&self, work: &mut Work<'_>, document: &Document, _: Option<&Document>) -> Result<()> {
        if !document.check("default_outgoing") {
            return Ok(());
        }
        for other in others(work, &document.name()).await? {
            work.set_values(EMAIL_ACCOUNT, &other, &[("default_outgoing", Value::from(false))]).await?;
        }
        Ok(())
    }

    fn forget(&self, _: Option<&str>) {
        self.mailer.forget();
    }

    fn runs_outside(&self, method: &str) -> bool {
        method == "send_test"
    }

    async fn call_outside(
        &self,
        documents: &Documents,
        session: &Session,
        document: &Document,
        _: &str,
        arguments: &Map<String, Json>,
    ) -> Result<Json> {
        documents.reading(session).check(document, Right::Write).await?;
        send_test(&self.outgoing, documents, session, document, arguments).await
    }

    fn methods(&self) -> Vec<(&'static str, &'static str)> {
        vec![(
            "send_test",
            "Sends a message to the caller, or to `recipient`, at once, and says what the server answered",
        )]
    }

    fn needs(&self, doctype: &str, _: &str) -> Vec<Need> {
        vec![need(doctype, Right::Write), Need::Unlimited]
    }
}

/// The other accounts through which all mail goes.
async fn others(work: &mut Work<'_>, name: &str) -> Result<Vec<String>> {
    let filters = json!([["default_outgoing", "=", 1], ["enable_outgoing", "=", 1], ["name", "!=", name]]);
    let caller = work.become_system();
    let list = work.list(&ListRequest::new(EMAIL_ACCOUNT).filters(filters).all()).await;
    work.session = caller;
    let list = list?;
    Ok((0..list.rows.len()).map(|row| list.text(row, "name").to_owned()).collect())
}

async fn send_test(
    outgoing: &Outgoing,
    documents: &Documents,
    session: &Session,
    document: &Document,
    arguments: &Map<String, Json>,
) -> Result<Json> {
    let account = EmailAccount::from(document);
    let caller = documents.get(&Session::system(), "User", session.user()).await?;
    let named = arguments.get("recipient").and_then(Json::as_str).map(str::trim).filter(|named| !named.is_empty());
    // Administrator may have no address: then the account writes to itself.
    let to = named.unwrap_or(Some(caller.text("email")).filter(|own| own.contains('@')).unwrap_or(&account.email_id));
    let written = message::Written {
        id: &format!("test-{}", random_name()),
        account: &account,
        to,
        subject: "A test from this site",
        text: &format!("This message shows that {} can send mail.\n", documents.site_url()),
    };
    let message = written.build(documents)?;
    let relay = account.relay(&mut documents.reading(&Session::system())).await?;
    match outgoing.mail(documents, &relay, message).await {
        Ok(()) => Ok(Json::from(format!("{} has accepted a message to {to}", relay.host))),
        Err(Refused { message, .. }) => Err(Error::invalid(ProblemKind::Validation, message)),
    }
}
