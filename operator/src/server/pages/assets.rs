//! What pages are made of beside their text: one style sheet, one script, one picture. Their addresses change with them, so
//! that they are kept for good.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use sha2::{Digest as _, Sha256};

const STYLE: &str = include_str!("../../../templates/page.css");
const SCRIPT: &str = include_str!("../../../templates/page.js");
const ICON: &str = include_str!("../../../templates/icon.svg");

/// Address of the style sheet.
pub(super) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| path(STYLE, "css"));
/// Address of the script.
pub(super) static SCRIPT_PATH: LazyLock<String> = LazyLock::new(|| path(SCRIPT, "js"));
/// Address of the picture.
pub(super) static ICON_PATH: LazyLock<String> = LazyLock::new(|| path(ICON, "svg"));

fn path(text: &str, extension: &str) -> String {
    format!("/assets/{}.{extension}", hex::encode(&Sha256::digest(text)[..6]))
}

pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let all = [
        (&STYLE_PATH, STYLE, "text/css; charset=utf-8"),
        (&SCRIPT_PATH, SCRIPT, "text/javascript; charset=utf-8"),
        (&ICON_PATH, ICON, "image/svg+xml"),
    ];
    match all.into_iter().find(|(path, ..)| path.strip_prefix("/assets/") == Some(name.as_str())) {
        Some((_, text, kind)) => {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")], text)
                .into_response()
        }
        None => (StatusCode::NOT_FOUND, "no such page\n").into_response(),
    }
}
