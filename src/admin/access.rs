//! [`Guard`]: who may ask for what.
//!
//! | what | who |
//! |---|---|
//! | `/startup`, `/ready`, `/health` and their aliases below `/actuator/health` | anyone: they answer a bare status |
//! | `/` | anyone: the page holds no data, and asks with the token it is given |
//! | `/metrics`, `/actuator/prometheus` | whoever shows the token, or a certificate under `management.server.ssl.trustCertificate`; anyone, where `management.server.metricsPublic` says so |
//! | the rest | whoever shows the token, if there is one |
//!
//! A browser on this machine reaches loopback as well, on behalf of any page it shows. So a request that a page of another
//! origin makes is refused, whatever it asks for; and so is one for a host name that is not ours, by which a page whose name
//! was rebound to our address would pass for its own origin. Addresses are ours, and `localhost`, the configured name, and
//! the names of the server's certificate.

use std::collections::BTreeSet;
use std::net::IpAddr;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, Uri};

/// What is answered to anyone.
const PROBES: [&str; 7] = [
    "/startup",
    "/ready",
    "/health",
    "/actuator/health",
    "/actuator/health/liveness",
    "/actuator/health/readiness",
    "/actuator/health/startup",
];
/// The dashboard.
const PAGE: &str = "/";
/// What is answered to anyone where the configuration says so.
const METRICS: [&str; 2] = ["/metrics", "/actuator/prometheus"];

/// Who may ask for what.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    token: Option<TokenHash>,
    metrics_public: bool,
    hosts: BTreeSet<String>,
    scheme: &'static str,
}

/// Who asks, as far as the connection shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Client {
    /// Whether it has shown a certificate that one of `management.server.ssl.trustCertificate` vouches for.
    pub(super) has_certificate: bool,
}

/// SHA-256 of the token: comparing hashes of equal length tells nothing of where two texts differ, nor how long one is.
#[derive(Clone)]
struct TokenHash([u8; 32]);

/// Why a request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denied {
    /// It names a host that is not this one.
    ForeignHost,
    /// It comes from a page of another origin.
    ForeignOrigin,
    /// It shows no token, or another.
    NoToken,
}

impl Guard {
    /// `hosts`: the names by which the server is reached, besides addresses and `localhost`.
    pub(super) fn new(
        token: Option<&[u8]>,
        metrics_public: bool,
        hosts: impl IntoIterator<Item = String>,
        is_tls: bool,
    ) -> Self {
        let own = ["localhost".to_owned()];
        let hosts = own.into_iter().chain(hosts);
        Self {
            token: token.map(TokenHash::new),
            metrics_public,
            hosts: hosts.map(|host| host.to_ascii_lowercase()).collect(),
            scheme: if is_tls { "https" } else { "http" },
        }
    }

    /// Whether a request is answered.
    pub(super) fn judge(
        &self,
        client: Client,
        (method, uri): (&Method, &Uri),
        headers: &HeaderMap,
    ) -> Result<(), Denied> {
        let (path, is_reading) = (
            uri.path(),
            *method == Method::GET || *method == Method::HEAD,
        );
        if PROBES.contains(&path) && is_reading {
            return Ok(());
        }
        let authority = authority(uri, headers).map_err(|()| Denied::ForeignHost)?;
        if authority
            .as_ref()
            .is_some_and(|named| !self.is_ours(named.host()))
        {
            return Err(Denied::ForeignHost);
        }
        if headers
            .get_all(ORIGIN)
            .iter()
            .any(|origin| !self.is_own(origin.as_bytes(), authority.as_ref()))
        {
            return Err(Denied::ForeignOrigin);
        }
        // Browsers of today say so of requests that name no origin, as those for pictures.
        let site = headers
            .get("sec-fetch-site")
            .map(axum::http::HeaderValue::as_bytes);
        let is_visit = headers
            .get("sec-fetch-mode")
            .is_some_and(|mode| mode == "navigate");
        if site.is_some_and(|site| site != b"same-origin" && site != b"none")
            && !(is_reading && is_visit && path == PAGE)
        {
            return Err(Denied::ForeignOrigin);
        }
        let is_scraper = self.metrics_public || client.has_certificate;
        match &self.token {
            Some(_) if path == PAGE && is_reading => Ok(()),
            Some(_) if METRICS.contains(&path) && is_scraper && is_reading => Ok(()),
            Some(token) if !token.is_shown(headers) => Err(Denied::NoToken),
            _ => Ok(()),
        }
    }

    fn is_ours(&self, host: &str) -> bool {
        let host = host
            .trim_matches(['[', ']'])
            .trim_end_matches('.')
            .to_ascii_lowercase();
        if host.parse::<IpAddr>().is_ok() || self.hosts.contains(&host) {
            return true;
        }
        // A certificate's wildcard stands for one label.
        let rest = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        rest.is_some_and(|pattern| self.hosts.contains(&pattern))
    }

    /// Whether an origin is that of a page of this server.
    fn is_own(&self, origin: &[u8], authority: Option<&Authority>) -> bool {
        authority.is_some_and(|authority| {
            format!("{}://{authority}", self.scheme)
                .as_bytes()
                .eq_ignore_ascii_case(origin)
        })
    }
}

impl TokenHash {
    fn new(token: &[u8]) -> Self {
        let hash = digest(&SHA256, token);
        Self(hash.as_ref().try_into().expect("SHA-256 has 32 bytes"))
    }

    fn is_shown(&self, headers: &HeaderMap) -> bool {
        let shown = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = shown.and_then(|shown| {
            let (scheme, token) = shown.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
        });
        token.is_some_and(|token| {
            verify_slices_are_equal(&Self::new(token.as_bytes()).0, &self.0).is_ok()
        })
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash")
    }
}

impl Denied {
    pub(super) const fn status(self) -> StatusCode {
        match self {
            Self::ForeignHost => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::NoToken => StatusCode::UNAUTHORIZED,
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::ForeignHost => {
                "the host asked for is none of this server's names: ask for its address, or a name of its certificate"
            }
            Self::ForeignOrigin => "pages of other origins may not ask this server",
            Self::NoToken => {
                "show the token of management.server.token (Authorization: Bearer TOKEN)"
            }
        }
    }

    /// The word used in metrics.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ForeignHost => "foreign_host",
            Self::ForeignOrigin => "foreign_origin",
            Self::NoToken => "no_token",
        }
    }
}

/// The host asked for; none where the request names none, which no browser sends; an error where it cannot be read.
fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, ()> {
    let mut named = headers.get_all(HOST).iter();
    let first = named
        .next()
        .map(|host| Authority::try_from(host.as_bytes()).map_err(|_| ()));
    let first = first.transpose()?;
    match (named.next(), uri.authority()) {
        (Some(_), _) => Err(()),
        (None, Some(target)) => Ok(Some(target.clone())),
        (None, None) => Ok(first),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    const TOKEN: &str = "8d6bff1b2c0e4a7f93";

    fn judge(guard: &Guard, what: (&str, &str), headers: &[(&str, &str)]) -> Result<(), Denied> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        let method = what.0.parse().unwrap();
        let client = Client::default();
        guard.judge(client, (&method, &what.1.parse().unwrap()), &map)
    }

    #[test]
    fn only_whoever_shows_the_token_is_answered() {
        let guard = Guard::new(Some(TOKEN.as_bytes()), false, [], false);
        let bearer = format!("Bearer {TOKEN}");
        let wrong = format!("Bearer {TOKEN}x");
        for (path, authorization, expected) in [
            ("/members", bearer.as_str(), Ok(())),
            ("/members", &bearer.to_lowercase(), Ok(())),
            ("/members", "Bearer", Err(Denied::NoToken)),
            ("/members", "Bearer ", Err(Denied::NoToken)),
            ("/members", &wrong, Err(Denied::NoToken)),
            ("/members", TOKEN, Err(Denied::NoToken)),
            ("/metrics", "Bearer nothing", Err(Denied::NoToken)),
            ("/ready", "Bearer nothing", Ok(())),
            ("/", "Bearer nothing", Ok(())),
        ] {
            let headers = [("host", "127.0.0.1:9600"), ("authorization", authorization)];
            assert_eq!(
                judge(&guard, ("GET", path), &headers),
                expected,
                "{path} {authorization}"
            );
        }
        let open = Guard::new(Some(TOKEN.as_bytes()), true, [], false);
        assert_eq!(judge(&open, ("GET", "/metrics"), &[]), Ok(()));
        assert_eq!(
            judge(&open, ("POST", "/metrics"), &[]),
            Err(Denied::NoToken)
        );
        assert_eq!(judge(&open, ("POST", "/ready"), &[]), Err(Denied::NoToken));
    }

    #[test]
    fn a_host_name_that_is_not_ours_is_refused() {
        let guard = Guard::new(None, false, ["node-1".into(), "*.phalanx.svc".into()], true);
        for (host, is_ours) in [
            ("127.0.0.1:9600", true),
            ("[::1]:9600", true),
            ("10.1.2.3", true),
            ("localhost:9600", true),
            ("LocalHost.", true),
            ("node-1:9600", true),
            ("a.phalanx.svc:9600", true),
            ("a.b.phalanx.svc:9600", false),
            ("phalanx.svc", false),
            ("rebound.example", false),
            ("127.0.0.1.rebound.example", false),
            ("", false),
        ] {
            let expected = if is_ours {
                Ok(())
            } else {
                Err(Denied::ForeignHost)
            };
            assert_eq!(
                judge(&guard, ("GET", "/members"), &[("host", host)]),
                expected,
                "{host:?}"
            );
        }
        let twice = [("host", "localhost"), ("host", "rebound.example")];
        assert_eq!(
            judge(&guard, ("GET", "/members"), &twice),
            Err(Denied::ForeignHost)
        );
        let target = ("GET", "http://rebound.example/members");
        assert_eq!(
            judge(&guard, target, &[("host", "localhost")]),
            Err(Denied::ForeignHost)
        );
        assert_eq!(
            judge(&guard, ("GET", "/members"), &[]),
            Ok(()),
            "no browser"
        );
    }

    #[test]
    fn a_page_of_another_origin_is_refused_and_our_own_is_not() {
        let guard = Guard::new(None, false, [], false);
        for (origin, expected) in [
            ("http://localhost:9600", Ok(())),
            ("https://localhost:9600", Err(Denied::ForeignOrigin)),
            ("http://localhost:9601", Err(Denied::ForeignOrigin)),
            ("https://example.org", Err(Denied::ForeignOrigin)),
            ("null", Err(Denied::ForeignOrigin)),
        ] {
            let headers = [("host", "localhost:9600"), ("origin", origin)];
            assert_eq!(
                judge(&guard, ("POST", "/leave"), &headers),
                expected,
                "{origin}"
            );
        }
        for (site, path, expected) in [
            ("same-origin", "/doctor", Ok(())),
            ("none", "/doctor", Ok(())),
            ("cross-site", "/doctor", Err(Denied::ForeignOrigin)),
            ("same-site", "/members", Err(Denied::ForeignOrigin)),
            ("cross-site", "/", Ok(())),
        ] {
            let headers = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate")];
            assert_eq!(
                judge(&guard, ("GET", path), &headers),
                expected,
                "{site} {path}"
            );
        }
    }
}
