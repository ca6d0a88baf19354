//! E-mail by SMTP, as text and as HTML. Mails of one incident are one thread, and a mail that is sent again has the same
//! `Message-ID`, by which mailboxes know it.

use std::{fmt::Write as _, time::Duration};

use forkable_core::alerting::{Envelope, Message as Alerts, Receipt, Secrets, Trouble, Undelivered};
use forkable_crds::alert_rule::{Email, EmailTls};
use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, MultiPart, header},
    transport::smtp::{
        authentication::Credentials,
        client::{Tls, TlsParameters},
        extension::ClientId,
    },
};

/// The longest that each step of the conversation may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn send(email: &Email, secrets: &Secrets, envelope: &Envelope) -> Result<Receipt, Undelivered> {
    let mail = mail(email, envelope)?;
    let response = transport(email, secrets)?.send(mail).await.map_err(|error| undelivered(&error))?;
    let said = response.message().collect::<Vec<_>>().join(" ");
    Ok(Receipt { answer: format!("{} {said}", response.code()), reference: None })
}

fn transport(email: &Email, secrets: &Secrets) -> Result<AsyncSmtpTransport<Tokio1Executor>, Undelivered> {
    let parameters = || TlsParameters::new(email.host.clone()).map_err(|error| undelivered(&error));
    let (tls, port) = match email.tls {
        EmailTls::StartTls => (Tls::Required(parameters()?), 587),
        EmailTls::Tls => (Tls::Wrapper(parameters()?), 465),
        EmailTls::None => (Tls::None, 25),
    };
    let port = email.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(port);
    let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&email.host)
        .port(port)
        .tls(tls)
        .hello_name(ClientId::Domain("forkable.local".into()))
        .timeout(Some(PATIENCE));
    if let (Some(user), Some(password)) = (&email.username_secret_ref, &email.password_secret_ref) {
        transport = transport.credentials(Credentials::new(secrets.value(user)?, secrets.value(password)?));
    }
    Ok(transport.build())
}

/// 5xx is for ever, as far as SMTP goes; but of a login it is a person's errand.
fn undelivered(error: &lettre::transport::smtp::Error) -> Undelivered {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        let said = deeper.to_string();
        if !message.contains(&said) {
            let _ = write!(message, ": {said}");
        }
        cause = deeper.source();
    }
    let code = error.status().map(|code| code.to_string());
    let trouble = match code.as_deref() {
        Some("530" | "534" | "535" | "538" | "550" | "553") => Trouble::Misconfigured,
        Some(code) if code.starts_with('5') => Trouble::Refused,
        _ if error.is_tls() || error.is_client() => Trouble::Misconfigured,
        _ => Trouble::Unavailable,
    };
    Undelivered::new(trouble, message)
}

fn mail(email: &Email, envelope: &Envelope) -> Result<Message, Undelivered> {
    let mailbox = |field: &str, text: &str| -> Result<Mailbox, Undelivered> {
        text.parse().map_err(|error| {
            Undelivered::new(
                Trouble::Misconfigured,
                format!("{field}: {text:?} is no address ({error}): write name@example.com"),
            )
        })
    };
    let from = mailbox("from", &email.from)?;
    let domain = from.email.domain().to_owned();
    let id = |local: &str| format!("<{local}@{domain}>");
    let thread = id(&envelope.incident_id());
    let mut builder = Message::builder()
        .from(from)
        .subject(envelope.message.headline.clone())
        .message_id(Some(id(&envelope.message_id())))
        .in_reply_to(thread.clone())
        .references(thread)
        .date(envelope.created_at.into())
        // Nobody's holiday answers this: RFC 3834.
        .header(AutoSubmitted);
    for to in &email.to {
        builder = builder.to(mailbox("to", to)?);
    }
    let parts = MultiPart::alternative_plain_html(envelope.message.text(), html(&envelope.message));
    builder
        .multipart(parts)
        .map_err(|error| Undelivered::new(Trouble::Refused, format!("the mail cannot be written: {error}")))
}

#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".into())
    }
}

/// Without styles that mail programs differ about.
fn html(message: &Alerts) -> String {
    let mut html = format!("<!doctype html><html><body><h3>{}</h3>", escaped(&message.headline));
    for line in &message.lines {
        // Writing to a String cannot fail.
        let _ = write!(html, "<p>{}</p>", linked(line));
    }
    if message.is_in_full() {
        for told in &message.alerts {
            let _ = write!(html, "<h4>{}</h4><table>", escaped(&told.title()));
            for fact in told.facts() {
                let value = if fact.name == "roll back" {
                    format!("<code>{}</code>", escaped(&fact.value))
                } else {
                    linked(&fact.value)
                };
                let _ = write!(html, "<tr><th align=\"left\">{}</th><td>{value}</td></tr>", fact.name);
            }
            html.push_str("</table>");
        }
    } else {
        html.push_str("<ul>");
        let (listed, more) = message.listed();
        for told in listed {
            let _ = write!(html, "<li><b>{}</b>: {}</li>", escaped(&told.title()), escaped(&told.row()));
        }
        if more > 0 {
            let _ = write!(html, "<li>and {more} more</li>");
        }
        html.push_str("</ul>");
    }
    html + "</body></html>"
}

/// Words that are addresses become links.
fn linked(text: &str) -> String {
    let word = |word: &str| {
        let escaped = escaped(word);
        let is_link = word.starts_with("https://") || word.starts_with("http://");
        if is_link { format!("<a href=\"{escaped}\">{escaped}</a>") } else { escaped }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
