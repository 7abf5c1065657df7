//! The dashboard: one page with its style and script in it, which asks this server for what it shows and nobody else for anything.
//!
//! The page holds no data, so it is answered to whoever asks; what it asks for wants the token, where there is one. What comes from
//! peers becomes text, never markup, and the policy sent along has the browser run and fetch nothing but what is here.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_STANDARD, Engine};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = concat!(
    include_str!("ask.js"),
    include_str!("words.js"),
    include_str!("verdict.js"),
    include_str!("pairs.js"),
    include_str!("panels.js"),
    include_str!("page.js"),
);

static WHOLE: LazyLock<String> = LazyLock::new(|| {
    PAGE.replace("/* style */", STYLE)
        .replace("/* script */", SCRIPT)
});

static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash(SCRIPT),
        hash(STYLE)
    );
    policy.parse().expect("a policy is ASCII")
});

/// The page.
pub(super) async fn page() -> Response {
    let headers = [
        (
            CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        ),
        (CONTENT_SECURITY_POLICY, POLICY.clone()),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, WHOLE.as_str()).into_response()
}

/// As a policy names what may run.
fn hash(text: &str) -> String {
    BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_names_no_other_place() {
        for (open, close, part) in [
            ("<style>", "</style>", STYLE),
            ("<script type=\"module\">", "</script>", SCRIPT),
        ] {
            let (_, rest) = WHOLE.split_once(open).unwrap();
            let (inside, rest) = rest.split_once(close).unwrap();
            assert_eq!(inside, part);
            assert!(!rest.contains(open));
        }
        // The name of a language of pictures is no address.
        let addresses = WHOLE.replace("http://www.w3.org/2000/svg", "");
        for outside in ["http:", "https:", "//www", "src=", "@import", "url(http"] {
            assert!(!addresses.contains(outside), "{outside}");
        }
    }

    #[test]
    fn what_comes_from_peers_cannot_become_markup() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "DOMParser",
        ] {
            assert!(!SCRIPT.contains(way), "{way}");
        }
    }
}
