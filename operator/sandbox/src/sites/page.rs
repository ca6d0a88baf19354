//! The pages: what a deployment was built from, and refusals.

use std::fmt::Write as _;

use axum::response::{Html, IntoResponse as _, Response};
use http::StatusCode;

use crate::vercel::{Deployment, Project};

/// One self-contained style for all pages, light and dark.
const STYLE: &str = include_str!("page.css");

/// The page of a deployment: names of its variables, and values only of those that are public by their name.
pub(super) fn site(project: &Project, deployment: &Deployment, host: &str) -> String {
    let title = deployment.public_env.get("NEXT_PUBLIC_BRAND").unwrap_or(&project.name);
    let mut main = format!("<header><h1>{}</h1><p>{}</p></header>", escape(title), escape(host));
    let mut facts = vec![("Project", escape(&project.name)), ("Environment", environment(project, deployment))];
    if let Some(git) = &deployment.git {
        let short: String = git.sha.chars().take(7).collect();
        let headline = git.message.lines().next().unwrap_or_default();
        facts.push(("Repository", escape(&format!("{}/{}", git.org, git.repo))));
        facts.push(("Branch", format!("<code>{}</code>", escape(&git.branch))));
        facts.push(("Commit", format!("<code title=\"{}\">{short}</code> {}", escape(&git.sha), escape(headline))));
    }
    facts.push(("Deployment", format!("<code>{}</code>", escape(&deployment.id))));
    facts.push(("Built", built_at(deployment)));
    main.push_str("<section><dl>");
    for (name, value) in facts {
        // Writing to a string cannot fail.
        let _ = write!(main, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    main.push_str("</dl></section>");
    main.push_str(&variables(deployment));
    main.push_str(&source(deployment));
    document(title, &main)
}

/// A page that says why there is no site here, with the code that Vercel's own pages carry.
pub(super) fn refusal(status: StatusCode, code: &str, text: &str) -> Response {
    let number = status.as_u16();
    let main = format!(
        "<header><h1>{number}: {}</h1></header><section><p>{}</p><p>Code: <code>{}</code></p></section>",
        escape(status.canonical_reason().unwrap_or_default()),
        escape(text),
        escape(code),
    );
    let mut answer = (status, Html(document(code, &main))).into_response();
    if let Ok(value) = code.parse() {
        answer.headers_mut().insert("x-vercel-error", value);
    }
    answer
}

fn environment(project: &Project, deployment: &Deployment) -> String {
    let custom = deployment.custom_environment.as_ref();
    let custom = custom.and_then(|id| project.environments.iter().find(|env| env.id == *id));
    let name = match custom {
        Some(env) => env.slug.as_str(),
        None if deployment.production => "production",
        None => "preview",
    };
    format!("<b>{}</b>", escape(name))
}

fn built_at(deployment: &Deployment) -> String {
    let at = deployment.finished_at.and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    at.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default()
}

fn variables(deployment: &Deployment) -> String {
    let mut html = format!("<section><h2>Built with {} variables</h2>", deployment.env.len());
    if !deployment.env.is_empty() {
        html.push_str("<ul>");
        for key in &deployment.env {
            let value = deployment.public_env.get(key);
            let value = value.map(|value| format!(" = {}", escape(value))).unwrap_or_default();
            let _ = write!(html, "<li><code>{}{value}</code></li>", escape(key));
        }
        html.push_str("</ul>");
    }
    html.push_str("</section>");
    html
}

fn source(deployment: &Deployment) -> String {
    let files = &deployment.snapshot.files;
    let mut html = format!("<section><h2>Made of {} files</h2>", files.len());
    if !deployment.snapshot.readme.is_empty() {
        let _ = write!(html, "<pre>{}</pre>", escape(&deployment.snapshot.readme));
    }
    html.push_str("<ul>");
    for path in files {
        let _ = write!(html, "<li><code>{}</code></li>", escape(path));
    }
    html.push_str("</ul></section>");
    html
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{main}\
         <footer>Served by the Forkable sandbox: nothing here is on the internet.</footer></main></body></html>\n",
        escape(title)
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    safe
}
