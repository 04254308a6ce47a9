//! The deployment's WAHA servers over HTTP, for whoever runs it.

use messaging_core::domain::breaker::BreakerState;
use messaging_core::domain::server::{ServerKey, ServerPatch, ServerSource};
use messaging_core::domain::timestamp::Timestamp;
use messaging_core::gateway::Gateway;
use messaging_core::gateway::servers::{self, NewServer};
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::{Example, MaybeUndefined};
use poem_openapi::{ApiResponse, Object, OpenApi};
use serde::Deserialize;

use crate::api::Tag;
use crate::api::authorized::{Authorized, ManageServers};
use crate::api::body::{JsonBody, RequestJson};
use crate::api::named::{DateTime, Named};
use crate::api::problem::{BODY, CALLER, CONFLICT, NOT_FOUND, Refusal, STORE};

/// A WAHA server to be added.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CreateServer {
    /// Its name, which sessions on it are kept under and which stays: 1 to 100 letters, digits, `.`,
    /// `-` and `_`.
    #[oai(validator(min_length = 1, max_length = 100))]
    pub name: String,
    /// Where it listens: an `http` or `https` address without user, password, query and fragment.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub url: String,
    /// The key it asks for. No answer shows it.
    #[oai(validator(min_length = 1, max_length = 512))]
    pub api_key: Option<String>,
    /// How many sessions it may hold, at most 1000000; as many as come where it is left out.
    pub capacity: Option<u64>,
    /// Whether it takes no new sessions yet; `false` by default.
    pub draining: Option<bool>,
}

impl RequestJson for CreateServer {}

impl Example for CreateServer {
    fn example() -> Self {
        Self {
            name: "eu-1".to_owned(),
            url: "http://waha-1:3000".to_owned(),
            api_key: Some("what-this-server-asks-for".to_owned()),
            capacity: Some(50),
            draining: None,
        }
    }
}

impl From<CreateServer> for NewServer {
    fn from(request: CreateServer) -> Self {
        let CreateServer { name, url, api_key, capacity, draining } = request;
        let draining = draining.unwrap_or_default();
        Self { name, url, api_key: api_key.map(ServerKey), capacity, draining }
    }
}

/// What is to change about a WAHA server. What is left out stays.
#[derive(Clone, PartialEq, Object, Deserialize)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpdateServer {
    /// Where it listens. Its sessions are to be there, too.
    #[oai(validator(min_length = 1, max_length = 2048))]
    pub url: Option<String>,
    /// The key it asks for; `null` for none.
    #[serde(default)]
    pub api_key: MaybeUndefined<String>,
    /// How many sessions it may hold; `null` for as many as come. What is there stays, even if it is
    /// more.
    #[serde(default)]
    pub capacity: MaybeUndefined<u64>,
    /// Whether it takes no new sessions; those that are there go on.
    pub draining: Option<bool>,
}

impl RequestJson for UpdateServer {}

impl Example for UpdateServer {
    fn example() -> Self {
        Self {
            url: None,
            api_key: MaybeUndefined::Undefined,
            capacity: MaybeUndefined::Value(80),
            draining: Some(true),
        }
    }
}

fn given<T>(field: MaybeUndefined<T>) -> Option<Option<T>> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(value) => Some(Some(value)),
    }
}

impl From<UpdateServer> for ServerPatch {
    fn from(request: UpdateServer) -> Self {
        let UpdateServer { url, api_key, capacity, draining } = request;
        let api_key = given(api_key).map(|key| key.map(ServerKey));
        Self { url, api_key, capacity: given(capacity), draining }
    }
}

/// A WAHA server.
#[derive(Clone, PartialEq, Object)]
#[oai(rename_all = "camelCase", skip_serializing_if_is_none, example)]
pub struct Server {
    /// Its name, as `wahaServer` names it.
    pub name: String,
    /// Where it is known from; one of `settings` is changed there, and not here.
    pub source: Named<ServerSource>,
    /// Where it listens.
    pub url: String,
    /// Whether it is called with a key.
    pub has_api_key: bool,
    /// How many sessions it may hold; as many as come where it is absent.
    pub capacity: Option<u64>,
    /// Whether it takes no new sessions.
    pub draining: bool,
    /// How many sessions are on it.
    pub sessions: u64,
    /// Whether this node sends through it.
    pub breaker: Named<BreakerState>,
    /// Whether it has just answered this node, and took the key; in the answer about one server alone.
    pub answers: Option<bool>,
    /// When it was added; absent where it stands in the settings.
    pub created_at: Option<DateTime>,
    /// When it was changed last; absent where it stands in the settings.
    pub updated_at: Option<DateTime>,
}

impl From<servers::Server> for Server {
    fn from(server: servers::Server) -> Self {
        Self {
            name: server.name,
            source: Named(server.source),
            url: server.url,
            has_api_key: server.has_key,
            capacity: server.capacity,
            draining: server.draining,
            sessions: server.sessions,
            breaker: Named(server.breaker),
            answers: None,
            created_at: server.created_at.map(DateTime),
            updated_at: server.updated_at.map(DateTime),
        }
    }
}

impl Example for Server {
    fn example() -> Self {
        let at = DateTime(Timestamp::from_millis(1_767_225_600_000));
        Self {
            name: "eu-1".to_owned(),
            source: Named(ServerSource::Api),
            url: "http://waha-1:3000".to_owned(),
            has_api_key: true,
            capacity: Some(50),
            draining: false,
            sessions: 12,
            breaker: Named(BreakerState::Closed),
            answers: Some(true),
            created_at: Some(at),
            updated_at: Some(at),
        }
    }
}

/// All WAHA servers.
#[derive(Clone, PartialEq, Object)]
pub struct ServerList {
    /// Those of the settings first, then those that were added, by name.
    pub data: Vec<Server>,
}

/// The answer to a request to add a server.
#[derive(ApiResponse)]
pub enum CreateServerAnswer {
    /// The server is added.
    #[oai(status = 201)]
    Created(
        Json<Server>,
        /// Where the server can be looked at.
        #[oai(header = "Location")]
        String,
    ),
}

/// The answer to a request to forget a server.
#[derive(ApiResponse)]
pub enum DeleteServerAnswer {
    /// The server is forgotten.
    #[oai(status = 204)]
    Deleted,
}

/// The deployment's WAHA servers.
pub struct ServersApi {
    /// The one door to everything.
    pub gateway: Gateway,
}

#[OpenApi(tag = "Tag::Administration")]
impl ServersApi {
    /// Add a WAHA server
    ///
    /// Needs `servers:manage`. Sessions may be put on it at once, and every node knows it within a
    /// second or two. It need not answer yet.
    #[oai(path = "/admin/servers", method = "post", operation_id = "create_server")]
    async fn create(
        &self,
        _caller: Authorized<ManageServers>,
        body: JsonBody<CreateServer>,
    ) -> Result<CreateServerAnswer, Refusal<{ CALLER | BODY | CONFLICT }>> {
        let server = self.gateway.add_server(body.0.into()).await?;
        let location = format!("/admin/servers/{}", server.name);
        Ok(CreateServerAnswer::Created(Json(server.into()), location))
    }

    /// List WAHA servers
    ///
    /// Needs `servers:manage`. With how many sessions are on each. Those of the settings, which are
    /// changed there, come first.
    #[oai(path = "/admin/servers", method = "get", operation_id = "list_servers")]
    async fn list(
        &self,
        _caller: Authorized<ManageServers>,
    ) -> Result<Json<ServerList>, Refusal<{ CALLER | STORE }>> {
        let servers = self.gateway.servers().await?;
        Ok(Json(ServerList { data: servers.into_iter().map(Server::from).collect() }))
    }

    /// Look a WAHA server up
    ///
    /// Needs `servers:manage`. Asks the server for a sign of life.
    #[oai(path = "/admin/servers/:name", method = "get", operation_id = "get_server")]
    async fn get(
        &self,
        _caller: Authorized<ManageServers>,
        /// The server's name.
        name: Path<String>,
    ) -> Result<Json<Server>, Refusal<{ CALLER | NOT_FOUND }>> {
        let server = self.gateway.server(&name.0).await?;
        let answers = Some(self.gateway.server_answers(&server.name).await);
        Ok(Json(Server { answers, ..server.into() }))
    }

    /// Change a WAHA server
    ///
    /// Needs `servers:manage`. In force on every node within a second or two, without a restart. With
    /// `draining`, it takes no new sessions.
    #[oai(path = "/admin/servers/:name", method = "patch", operation_id = "update_server")]
    async fn update(
        &self,
        _caller: Authorized<ManageServers>,
        /// The server's name.
        name: Path<String>,
        body: JsonBody<UpdateServer>,
    ) -> Result<Json<Server>, Refusal<{ CALLER | BODY | NOT_FOUND | CONFLICT }>> {
        Ok(Json(self.gateway.patch_server(&name.0, body.0.into()).await?.into()))
    }

    /// Forget a WAHA server
    ///
    /// Needs `servers:manage`. Refused while sessions are on it: have it drain, and delete them first.
    /// Nothing is done to the server itself.
    #[oai(path = "/admin/servers/:name", method = "delete", operation_id = "delete_server")]
    async fn delete(
        &self,
        _caller: Authorized<ManageServers>,
        /// The server's name.
        name: Path<String>,
    ) -> Result<DeleteServerAnswer, Refusal<{ CALLER | NOT_FOUND | CONFLICT }>> {
        self.gateway.delete_server(&name.0).await?;
        Ok(DeleteServerAnswer::Deleted)
    }
}
