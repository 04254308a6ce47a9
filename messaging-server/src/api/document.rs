//! The OpenAPI document, the page that shows it, and the page about each kind of problem.

use std::collections::HashMap;
use std::marker::PhantomData;

use poem::endpoint::BoxEndpoint;
use poem::http::Method;
use poem_openapi::registry::{MetaApi, Registry};
use poem_openapi::{LicenseObject, OpenApi, OpenApiService};

use crate::api::exchange::{RouteInfo, Routes};
use crate::api::{Resources, VERSION};

/// poem-openapi writes names of headers in capitals; these are how they are known.
const HEADERS: &[&str] = &[
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Waha-Signature",
    "X-Webhook-Hmac",
];

const DESCRIPTION: &str = "\
A multi-tenant gateway to WhatsApp by WAHA: it accepts messages, paces and sends them, follows what \
becomes of each, keeps what comes in, and tells.

Every request but those of webhooks, tokens, health and metrics carries a bearer token, which names the \
tenant and a role. Another tenant's ids are answered as if they did not exist.

What is refused is answered with `application/problem+json` (RFC 9457): programs go by its `code`, \
people by its `detail`. 429 and 503 say in `Retry-After` when to come back. Every answer carries \
`X-Request-Id`: the one of the request, or a new one.";

/// Describes the resources without having any.
struct Described<A>(PhantomData<A>);

impl<A: OpenApi> OpenApi for Described<A> {
    fn meta() -> Vec<MetaApi> {
        A::meta()
    }

    fn register(registry: &mut Registry) {
        A::register(registry);
    }

    fn add_routes(self, _: &mut HashMap<String, HashMap<Method, BoxEndpoint<'static>>>) {}
}

fn service() -> OpenApiService<Described<Resources>, ()> {
    OpenApiService::new(Described(PhantomData), "Messaging gateway", VERSION)
        .description(DESCRIPTION)
        .license(LicenseObject::new("MIT OR Apache-2.0"))
        .server("/")
}

/// The OpenAPI document of the HTTP API, as `/openapi.json` serves it.
pub fn openapi_document() -> String {
    let mut document = with_permissions(&without_second_descriptions(&service().spec()))
        .replace("application/json; charset=utf-8", "application/json")
        // Answers of one kind, whose schema says it all, have none of their own.
        .replace("\"description\": \"\"", "\"description\": \"What was asked for, as it is now.\"");
    for header in HEADERS {
        document =
            document.replace(&format!("\"{}\"", header.to_uppercase()), &format!("\"{header}\""));
    }
    document
}

/// Operations name the permission they need behind the name of their security scheme, where the
/// type of their caller puts it; tools look for it in an extension.
fn with_permissions(document: &str) -> String {
    let mut written = String::with_capacity(document.len());
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim() == "\"security\": [" {
            let scheme: Vec<&str> = lines.by_ref().take_while(|each| each.trim() != "],").collect();
            let indent = line.split('"').next().unwrap_or_default();
            for each in &scheme {
                let name = each.trim().trim_start_matches('"').split('"').next();
                if let Some((_, permission)) = name.and_then(|name| name.split_once(' ')) {
                    written.push_str(&format!("{indent}\"x-permission\": \"{permission}\",\n"));
                }
            }
            written.push_str(line);
            written.push('\n');
            for each in scheme {
                let plain = each.find(' ').and(each.rfind("\": [")).and_then(|end| {
                    let start = each.find('"')?;
                    let name = each.get(start + 1..end)?.split(' ').next()?;
                    Some(format!("{}\"{name}{}", each.get(..start)?, each.get(end..)?))
                });
                written.push_str(plain.as_deref().unwrap_or(each));
                written.push('\n');
            }
            written.push_str(indent);
            written.push_str("],\n");
            continue;
        }
        written.push_str(line);
        written.push('\n');
    }
    written
}

/// For a field that is an object of another schema, poem-openapi writes the field's description
/// twice, once as a second member of `allOf`: generators of clients take that for a type of its own.
fn without_second_descriptions(document: &str) -> String {
    let lines: Vec<&str> = document.lines().collect();
    let mut kept = String::with_capacity(document.len());
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        kept.push_str(line);
        kept.push('\n');
        at += 1;
        let next: Vec<&str> = lines.iter().skip(at).take(4).map(|line| line.trim()).collect();
        if line.trim_start().starts_with("\"$ref\"")
            && let ["},", "{", description, "}"] = next.as_slice()
            && description.starts_with("\"description\"")
        {
            at += 3;
        }
    }
    kept
}

/// Swagger UI, all of it in one page.
pub(super) fn swagger_ui() -> String {
    let service = service();
    service
        .swagger_ui_html()
        .replace(&service.spec(), openapi_document().trim_end())
        .replace("<html charset=\"UTF-8\">", "<!doctype html>\n<html lang=\"en\">")
        .replace("<title>Swagger UI</title>", "<title>Messaging gateway</title>")
}

/// Every address of these resources.
pub(super) fn routes<R: OpenApi>() -> Routes {
    R::meta()
        .into_iter()
        .flat_map(|api| api.paths)
        .map(|path| {
            let mut methods: Vec<_> =
                path.operations.iter().map(|operation| operation.method.to_string()).collect();
            if methods.iter().any(|method| method == "GET") {
                methods.push("HEAD".to_owned());
            }
            let mut route = RouteInfo::new(path.path, methods.join(", "));
            let operations = path.operations.iter();
            route.operations = operations
                .filter_map(|each| Some((each.method.clone(), each.operation_id?.to_owned())))
                .collect();
            (route.pattern(), route)
        })
        .collect()
}

/// The section about one kind of problem.
pub(super) fn problem_page(code: &str) -> Option<&'static str> {
    let pages = include_str!("../../../docs/problems.md");
    let start = pages.find(&format!("\n## {code}\n"))? + 1;
    let section = pages.get(start..)?;
    let end = section.find("\n## ").map_or(section.len(), |end| end + 1);
    section.get(..end)
}
