//! Who may see the pages. On the loopback address everybody on the machine, by a name that only means this machine; anywhere
//! else, and everywhere if there is a token, whoever has the token: as a bearer, or in a session that a form begins.

use axum::http::{HeaderMap, HeaderValue, header};
use forkable_core::Secret;
use hmac::{Hmac, Mac as _};
use jiff::Timestamp;

use crate::server::has_token;

/// How long a session lasts, in seconds.
const SESSION: i64 = 12 * 3600;
const COOKIE: &str = "forkable_session";

/// Who may see the pages.
#[derive(Clone, Debug)]
pub(super) enum Door {
    /// Everybody on the machine.
    Loopback,
    /// Who has it.
    Token(Secret),
    /// Nobody: there is no token.
    Shut,
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Welcome,
    /// It was sent to another name: a page of somebody else may be behind it.
    OtherHost,
    /// It has no token, or the wrong one.
    Stranger,
    Shut,
}

impl Door {
    pub(super) fn new(token: Option<Secret>, is_loopback: bool) -> Self {
        match token {
            Some(token) => Self::Token(token),
            None if is_loopback => Self::Loopback,
            None => Self::Shut,
        }
    }

    pub(super) fn judge(&self, headers: &HeaderMap, now: Timestamp) -> Verdict {
        match self {
            Self::Loopback if is_local(headers) => Verdict::Welcome,
            Self::Loopback => Verdict::OtherHost,
            Self::Token(token) if has_token(headers, token) || has_session(headers, token, now) => Verdict::Welcome,
            Self::Token(_) => Verdict::Stranger,
            Self::Shut => Verdict::Shut,
        }
    }
}

/// Whether the request was sent to a name of this machine. A page of somebody else that has its own name lead here (DNS
/// rebinding) sends that name.
fn is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|local| name.eq_ignore_ascii_case(local))
}

/// The cookie of a session that begins now.
pub(super) fn begin(token: &Secret, headers: &HeaderMap, now: Timestamp) -> Option<HeaderValue> {
    let ends = now.as_second() + SESSION;
    let value = format!("{ends}.{}", hex::encode(mac(token, ends).finalize().into_bytes()));
    cookie(&value, SESSION, headers)
}

/// The cookie that ends a session.
pub(super) fn end(headers: &HeaderMap) -> Option<HeaderValue> {
    cookie("", 0, headers)
}

fn cookie(value: &str, seconds: i64, headers: &HeaderMap) -> Option<HeaderValue> {
    // TLS ends before this server, which is told of it.
    let is_tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto.as_bytes() == b"https");
    let secure = if is_tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&cookie).ok()
}

/// Signs when a session ends, so that nothing has to be remembered of it.
fn mac(token: &Secret, ends: i64) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::new_from_slice(token.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("forkable session until {ends}").as_bytes());
    mac
}

fn has_session(headers: &HeaderMap, token: &Secret, now: Timestamp) -> bool {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
    cookies.flat_map(|cookies| cookies.split(';')).any(|cookie| {
        let value = cookie.trim().strip_prefix(COOKIE).and_then(|rest| rest.strip_prefix('='));
        let Some((ends, signature)) = value.and_then(|value| value.split_once('.')) else { return false };
        let (Ok(ends), Ok(signature)) = (ends.parse::<i64>(), hex::decode(signature)) else { return false };
        // Compares in constant time.
        ends > now.as_second() && mac(token, ends).verify_slice(&signature).is_ok()
    })
}

/// Whether the token was given, compared in constant time.
pub(super) fn is_token(given: &str, token: &Secret) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(given.as_bytes(), token.expose().as_bytes()).is_ok()
}

/// A path of this server, whatever was asked for.
pub(super) fn own_path(path: &str) -> &str {
    let is_own = path.starts_with('/') && !path.starts_with("//") && !path.contains(['\\', '\r', '\n']);
    if is_own { path } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).expect("a value"))])
    }

    #[test]
    fn only_names_of_this_machine_are_local() {
        let door = Door::new(None, true);
        for (host, expected) in [
            ("localhost", Verdict::Welcome),
            ("LocalHost:8674", Verdict::Welcome),
            ("127.0.0.1:8674", Verdict::Welcome),
            ("[::1]:8674", Verdict::Welcome),
            ("[::1]", Verdict::Welcome),
            ("evil.example:8674", Verdict::OtherHost),
            ("localhost.evil.example", Verdict::OtherHost),
            ("127.0.0.1.nip.io", Verdict::OtherHost),
            ("127.0.0.2", Verdict::OtherHost),
            ("", Verdict::OtherHost),
        ] {
            assert_eq!(door.judge(&headers(header::HOST, host), Timestamp::UNIX_EPOCH), expected, "{host}");
        }
        assert_eq!(door.judge(&HeaderMap::new(), Timestamp::UNIX_EPOCH), Verdict::OtherHost);
        assert_eq!(Door::new(None, false).judge(&HeaderMap::new(), Timestamp::UNIX_EPOCH), Verdict::Shut);
    }

    #[test]
    fn a_session_is_good_until_it_ends_and_for_its_token_alone() {
        let (token, now) = (Secret::new("t0ken"), Timestamp::UNIX_EPOCH);
        let later = |seconds| Timestamp::from_second(seconds).expect("a time");
        let given = begin(&token, &HeaderMap::new(), now).expect("a cookie");
        let given = given.to_str().expect("text");
        assert!(given.contains("; HttpOnly; SameSite=Strict") && !given.contains("Secure"), "{given}");
        let value = given.split(';').next().expect("a value");
        let asked = headers(header::COOKIE, &format!("theme=dark; {value}"));
        let door = Door::new(Some(token.clone()), true);
        assert_eq!(door.judge(&asked, now), Verdict::Welcome);
        assert_eq!(door.judge(&asked, later(SESSION)), Verdict::Stranger, "it is over");
        assert_eq!(Door::Token(Secret::new("other")).judge(&asked, now), Verdict::Stranger);
        let (_, signature) = value.split_once('.').expect("a signature");
        let longer = headers(header::COOKIE, &format!("{COOKIE}={}.{signature}", SESSION * 2));
        assert_eq!(door.judge(&longer, now), Verdict::Stranger, "a session that was made longer");
        assert_eq!(door.judge(&headers(header::AUTHORIZATION, "Bearer t0ken"), now), Verdict::Welcome);
        assert_eq!(door.judge(&headers(header::AUTHORIZATION, "Bearer t0ke"), now), Verdict::Stranger);
        let tls =
            HeaderMap::from_iter([("x-forwarded-proto".parse().expect("a name"), HeaderValue::from_static("https"))]);
        assert!(begin(&token, &tls, now).expect("a cookie").to_str().expect("text").ends_with("; Secure"));
    }

    #[test]
    fn nobody_is_led_elsewhere() {
        for (path, expected) in [
            ("/forks/a/b?x=1", "/forks/a/b?x=1"),
            ("//evil.example", "/"),
            ("https://evil.example", "/"),
            ("/\\evil", "/"),
        ] {
            assert_eq!(own_path(path), expected);
        }
    }
}
