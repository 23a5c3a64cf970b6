//! Members: documents that expire, found by what they hold. There are few of them, so that they need no index.

use super::family::{Family, Stored, collection, put};
use crate::context::Context;
use crate::document::write::{DocumentWrite, Pre};
use crate::document::{CollectionDef, DocumentId, DocumentKey, Filter, IdKind};
use crate::error::{Error, Result};
use crate::ids::HostId;
use crate::page::{Page, PageRequest, QueryId};
use crate::store::*;
use crate::time::Timestamp;
use crate::validate;
use serde::{Deserialize, Serialize};
use std::ops::Bound;
use std::time::Duration;

pub(super) const COLLECTION: &str = "sys_cluster_member";
/// Members that are looked at at once.
const CHUNK: u32 = 500;
const SHORTEST: Duration = Duration::from_secs(1);

pub(super) fn definition() -> CollectionDef {
    collection::<StoredMember>(IdKind::Text)
}

/// A member as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredMember {
    host_id: HostId,
    role: MemberRole,
    rpc_address: String,
    rpc_port: u16,
    session_start: Timestamp,
    last_heartbeat: Timestamp,
    expires: Timestamp,
}

impl Stored for StoredMember {
    const COLLECTION: &'static str = COLLECTION;
    const ENTITY: &'static str = "member";
}

impl From<StoredMember> for Member {
    fn from(m: StoredMember) -> Self {
        Member {
            host_id: m.host_id,
            role: m.role,
            rpc_address: m.rpc_address,
            rpc_port: m.rpc_port,
            session_start: m.session_start,
            last_heartbeat: m.last_heartbeat,
            expires: m.expires,
        }
    }
}

/// Ordered as members are: a role is ten digits, as many as the largest has.
fn id(host_id: HostId, role: MemberRole) -> String {
    format!("{host_id}/{:010}", role.0)
}

/// Stores a member that is heard of now.
pub(super) fn put_now(req: &UpsertMember, now: Timestamp) -> Result<DocumentWrite> {
    let unset = |field| Err(Error::invalid(field, "must be set"));
    if req.host_id.0.is_nil() {
        return unset("host_id");
    }
    if req.role == MemberRole::UNSPECIFIED {
        return unset("role");
    }
    validate::name("rpc_address", &req.rpc_address)?;
    if req.rpc_port == 0 {
        return unset("rpc_port");
    }
    if req.session_start <= Timestamp::EPOCH {
        return unset("session_start");
    }
    if req.expiry < SHORTEST {
        return Err(Error::invalid("expiry", "must be at least a second"));
    }
    let expires = now.after(req.expiry);
    let member = StoredMember {
        host_id: req.host_id,
        role: req.role,
        rpc_address: req.rpc_address.clone(),
        rpc_port: req.rpc_port,
        session_start: req.session_start,
        last_heartbeat: now,
        expires,
    };
    put(DocumentKey::new(id(req.host_id, req.role)), &member, Pre::None, Some(expires))
}

fn is_wanted(m: &Member, req: &GetMembers, now: Timestamp) -> bool {
    req.heartbeat_within.is_none_or(|d| m.last_heartbeat >= now.before(d))
        && req.rpc_address.as_ref().is_none_or(|a| m.rpc_address == *a)
        && req.role.is_none_or(|r| m.role == r)
        && req.session_started_since.is_none_or(|t| m.session_start >= t)
}

/// One page of members.
pub(super) async fn page(
    family: &Family,
    cx: &Context,
    req: &GetMembers,
    now: Timestamp,
) -> Result<Page<Member>> {
    let size = req.page.checked_size()?;
    let conditions =
        (&req.heartbeat_within, &req.rpc_address, req.host_id, req.role, req.session_started_since);
    let query_id = QueryId::new("cluster.get_members", &conditions);
    let after: Option<String> = query_id.position(req.page.token.as_ref())?;
    let bound = |end: char| move |host: HostId| Bound::Included(DocumentId::Text(format!("{host}{end}")));
    let first = req.host_id.map_or(Bound::Unbounded, bound('/'));
    let first = after.map_or(first, |id| Bound::Excluded(DocumentId::Text(id)));
    // What comes after a slash in the order of bytes.
    let last = req.host_id.map_or(Bound::Unbounded, bound('0'));
    let filter = match (&first, &last) {
        (Bound::Unbounded, Bound::Unbounded) => Filter::everything(),
        _ => Filter::Id(first, last),
    };
    let mut query = FindDocuments::new(COLLECTION, filter, CHUNK);
    let mut found: Vec<Member> = Vec::new();
    loop {
        let page = family.find::<StoredMember>(cx, &query).await?;
        let members = page.items.into_iter().map(|held| Member::from(held.value));
        found.extend(members.filter(|m| is_wanted(m, req, now)));
        match page.next {
            Some(next) if found.len() <= size => query.page = PageRequest::after(CHUNK, next),
            _ => return Ok(Page::cut(found, size, |m| query_id.token(&id(m.host_id, m.role)))),
        }
    }
}
