//! One request and its answer over a connection.

use std::pin::pin;

use bytes::Bytes;
use forkable_core::monitoring::{Answer, HttpAsk};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Position, Url};

use super::{Run, add};

/// The part of an answer that is read, in bytes.
const LARGEST: usize = 64 << 10;

/// One request of a run.
pub(super) struct Hop<'a> {
    pub(super) ask: &'a HttpAsk,
    pub(super) method: Method,
    /// Whether it goes where the headers are meant for.
    pub(super) is_at_home: bool,
}

/// Sends the request; answers what came back and where that leads to, if it does.
pub(super) async fn exchange<C: AsyncRead + AsyncWrite + Unpin>(
    connection: C,
    url: &Url,
    hop: &Hop<'_>,
    run: &mut Run,
) -> Result<(Answer, Option<String>), String> {
    let request = request(url, hop)?;
    let began = run.begin("wait for an answer");
    let (mut sender, connection) = http1::handshake(TokioIo::new(connection)).await.map_err(|error| told(&error))?;
    let asked = async {
        let response = sender.send_request(request).await.map_err(|error| told(&error))?;
        add(&mut run.phases.processing, began);
        let began = run.begin("read the answer");
        let (head, body) = response.into_parts();
        // <https://vercel.com/docs/vercel-firewall/attack-challenge-mode>
        run.is_challenged = head.headers.get("x-vercel-mitigated").is_some_and(|how| how == "challenge");
        let body = read(body, hop.ask.expect.reads_body()).await.map_err(|error| told(&error))?;
        add(&mut run.phases.transfer, began);
        let location = if matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            head.headers.get(header::LOCATION).map(text)
        } else {
            None
        };
        let headers = if hop.ask.expect.headers.is_empty() { Vec::new() } else { owned(&head.headers) };
        Ok((Answer { status: head.status.as_u16(), headers, body }, location))
    };
    // Driven here rather than by a task of its own: it ends with the run, however that ends.
    let (mut asked, mut connection) = (pin!(asked), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut asked => answer,
        _ = &mut connection => asked.await,
    }
}

fn request(url: &Url, hop: &Hop<'_>) -> Result<Request<Full<Bytes>>, String> {
    let ask = hop.ask;
    let body = ask.body.clone().filter(|_| hop.is_at_home && hop.method == super::method(ask.method));
    let mut request = Request::builder()
        .method(hop.method.clone())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort])
        .header(header::USER_AGENT, "forkable")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| format!("{url} cannot be asked for: {error}"))?;
    for (name, value) in ask.headers.iter().filter(|_| hop.is_at_home) {
        // Its value is not told.
        let wrong = || format!("the value of the header {name} has characters that none may have");
        let mut value = HeaderValue::try_from(value.expose()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::try_from(name.as_str()).map_err(|_| wrong())?, value);
    }
    Ok(request)
}

/// At most the first 64 KiB, which are kept if somebody looks at them.
async fn read(mut body: Incoming, keeps: bool) -> hyper::Result<String> {
    let (mut read, mut kept) = (0, Vec::new());
    while read < LARGEST
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            read += data.len();
            if keeps {
                kept.extend_from_slice(&data);
            }
        }
    }
    kept.truncate(LARGEST);
    Ok(String::from_utf8_lossy(&kept).into_owned())
}

fn owned(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The innermost cause.
fn told(error: &hyper::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let cause = cause.to_string();
    format!("the connection broke: {}", cause.split(" (os error").next().unwrap_or_default())
}
