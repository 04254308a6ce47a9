//! The identity provider whose tokens are believed, asked for as a whole or not at all.

use std::str::FromStr;
use std::time::Duration;

use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;

use crate::auth::ISSUER as OURS;
use crate::auth::identity_provider::{ClaimRules, IdentityProviderConfig, KeysPlace, is_fetchable};
use crate::config::kind::{self, Kind};
use crate::config::problem::Reported;
use crate::config::setting::Reader;
use crate::config::settings;

/// How long fetching keys may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest name of an issuer, an audience or a claim.
const LONGEST_NAME: usize = 500;

pub(crate) const ISSUER: Kind<String> = Kind::open(
    "an issuer such as https://id.example.com/realms/main, and not messaging-server, which is ours",
    |text| (is_name(text) && text != OURS).then(|| text.to_owned()),
);

pub(crate) const AUDIENCES: Kind<Vec<String>> =
    Kind::open("a name such as messaging-gateway, or several with commas", |text| {
        let names = text.split(',').map(str::trim);
        names.map(|name| is_name(name).then(|| name.to_owned())).collect()
    });

pub(crate) const CLAIM: Kind<String> =
    Kind::open("the name of a claim", |text| is_name(text).then(|| text.to_owned()));

pub(crate) const URL: Kind<String> =
    Kind::open("an address such as https://id.example.com/keys, without a password", |text| {
        let url = Url::parse(text).ok()?;
        let is_usable = is_fetchable(text, true) && url.fragment().is_none();
        is_usable.then(|| text.to_owned())
    });

/// Whoever verifies by a secret that both sides know can also sign: none of those.
pub(crate) const ALGORITHMS: Kind<Vec<Algorithm>> = Kind::open(
    "some of RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA, with commas",
    |text| {
        let named = text.split(',').map(|name| Algorithm::from_str(name.trim()).ok());
        let named: Option<Vec<_>> = named.collect();
        named.filter(|all| all.iter().all(|it| it.family() != AlgorithmFamily::Hmac))
    },
);

pub(crate) const LEEWAY: Kind<Duration> = Kind::open("0, or a time up to 60s", |text| {
    (kind::WINDOW.read)(text).filter(|time| *time <= Duration::from_secs(60))
});

pub(crate) const REFRESH: Kind<Duration> = Kind::open("a time from 10s to 24h", |text| {
    let day = Duration::from_secs(24 * 60 * 60);
    (kind::WINDOW.read)(text).filter(|time| (Duration::from_secs(10)..=day).contains(time))
});

fn is_name(text: &str) -> bool {
    let is_plain = |c: char| !c.is_control() && !c.is_whitespace();
    (1..=LONGEST_NAME).contains(&text.len()) && text.chars().all(is_plain)
}

/// Any one of those that say whose tokens are meant asks for it: half of them would have an operator
/// believe that something is checked which is not.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<Option<IdentityProviderConfig>, Reported> {
    let issuer = reader.optional(&settings::OIDC_ISSUER);
    let audiences = reader.optional(&settings::OIDC_AUDIENCE);
    let url = reader.optional(&settings::OIDC_JWKS_URL);
    let file = reader.optional(&settings::OIDC_JWKS_FILE);
    let algorithms = reader.required(&settings::OIDC_ALGORITHMS);
    let tenant = reader.required(&settings::OIDC_TENANT_CLAIM);
    let role = reader.required(&settings::OIDC_ROLE_CLAIM);
    let platform_admin = reader.required(&settings::OIDC_ALLOW_PLATFORM_ADMIN);
    let leeway = reader.required(&settings::OIDC_LEEWAY);
    let refresh = reader.required(&settings::OIDC_KEYS_REFRESH);
    let kept = reader.required(&settings::OIDC_KEYS_KEPT);
    let plain = reader.required(&settings::OIDC_ALLOW_HTTP);
    let (issuer, audiences, url, file) = (issuer?, audiences?, url?, file?);
    let (refresh, kept, plain) = (refresh?, kept?, plain?);
    if issuer.is_none() && audiences.is_none() && url.is_none() && file.is_none() {
        return Ok(None);
    }
    let needed = |what| format!("{what}, for the tokens of an identity provider to be judged by");
    let issuer = match issuer {
        Some(issuer) => Ok(issuer),
        None => Err(reader.report("OIDC_ISSUER", "is not set", needed(ISSUER.expected))),
    };
    let audiences = match audiences {
        Some(audiences) => Ok(audiences),
        None => Err(reader.report("OIDC_AUDIENCE", "is not set", needed(AUDIENCES.expected))),
    };
    let (issuer, audiences) = (issuer?, audiences?);
    if kept < refresh {
        let why = "no less: keys would be gone before they are fetched anew";
        return Err(reader.report("OIDC_KEYS_KEPT", "is shorter than OIDC_KEYS_REFRESH", why));
    }
    let encrypted = "https, unless its host is this machine or OIDC_ALLOW_HTTP is true";
    let place = match (url, file) {
        (Some(_), Some(_)) => {
            let held = "and OIDC_JWKS_FILE are both set";
            return Err(reader.report("OIDC_JWKS_URL", held, "only one of them"));
        }
        (None, Some(file)) => KeysPlace::File(file),
        (Some(url), None) if is_fetchable(&url, plain) => KeysPlace::Url { url, plain },
        (Some(_), None) => {
            return Err(reader.report("OIDC_JWKS_URL", "is not encrypted", encrypted));
        }
        (None, None) if is_fetchable(&issuer, plain) => {
            KeysPlace::Discovered { issuer: issuer.clone(), plain }
        }
        (None, None) if is_fetchable(&issuer, true) => {
            return Err(reader.report("OIDC_ISSUER", "is not encrypted", encrypted));
        }
        (None, None) => {
            let why = "it, or OIDC_JWKS_FILE, where OIDC_ISSUER is no address to ask at";
            return Err(reader.report("OIDC_JWKS_URL", "is not set", why));
        }
    };
    Ok(Some(IdentityProviderConfig {
        rules: ClaimRules {
            issuer,
            audiences,
            tenant: tenant?,
            role: role?,
            platform_admin: platform_admin?,
            leeway: leeway?,
        },
        algorithms: algorithms?,
        place,
        refresh,
        kept,
        timeout: FETCH_TIMEOUT,
    }))
}
