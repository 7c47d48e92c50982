//! Sealing the secrets among values that are kept, and opening them again.
//!
//! A secret is bound to its place: the workspace, whose field it is (a kind's, a provider's, that of lookups or outputs), and
//! the field; not to the resource, which may get another name. Where a workspace has no keys, a digest alone is kept.

use std::fmt;

use super::persist::bytes;
use crate::digest::{Digest, DigestKey};
use crate::name::{Kind, WorkspaceId};
use crate::seal::Keyring;
use crate::value::{Sealed, Secret, Value};

/// What seals the secrets of one workspace, and opens them.
#[derive(Clone)]
pub struct Sealer {
    workspace: WorkspaceId,
    digests: DigestKey,
    ring: Option<Keyring>,
}

impl Sealer {
    /// One for a workspace: with the key of its digests, and with its data keys where there are any.
    pub fn new(workspace: WorkspaceId, digests: DigestKey, ring: Option<Keyring>) -> Self {
        Self { workspace, digests, ring }
    }

    /// The workspace.
    pub fn workspace(&self) -> &WorkspaceId {
        &self.workspace
    }

    /// Whether there are keys: without them a digest is kept in place of a secret.
    pub fn has_keys(&self) -> bool {
        self.ring.is_some()
    }

    /// What tells a secret from another one without showing either.
    pub fn digest(&self, secret: &Secret) -> Digest {
        Digest::keyed(&self.digests, &bytes(secret.expose()))
    }

    /// For the fields of a kind or of a task service.
    pub fn of_kind(&self, kind: &Kind) -> Seal<'_> {
        Seal { sealer: self, owner: Owner::Kind(kind.clone()) }
    }

    /// For the settings of a type of provider.
    pub fn of_provider(&self, kind: &Kind) -> Seal<'_> {
        Seal { sealer: self, owner: Owner::Provider(kind.clone()) }
    }

    /// For what lookups are asked and answer.
    pub fn of_lookups(&self) -> Seal<'_> {
        Seal { sealer: self, owner: Owner::Lookups }
    }

    /// For what a workspace gives back.
    pub fn of_outputs(&self) -> Seal<'_> {
        Seal { sealer: self, owner: Owner::Outputs }
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").field("workspace", &self.workspace).field("ring", &self.ring).finish_non_exhaustive()
    }
}

/// What seals and opens the fields of one owner.
#[derive(Debug, Clone)]
pub struct Seal<'a> {
    sealer: &'a Sealer,
    owner: Owner,
}

/// Whose fields they are.
#[derive(Debug, Clone)]
enum Owner {
    Kind(Kind),
    Provider(Kind),
    Lookups,
    Outputs,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(kind) => write!(f, "kind/{kind}"),
            Self::Provider(kind) => write!(f, "provider/{kind}"),
            Self::Lookups => f.write_str("lookup"),
            Self::Outputs => f.write_str("output"),
        }
    }
}

impl Seal<'_> {
    /// Fields with every secret sealed; with its digest in its place where there are no keys. The rest stays as it is.
    pub fn close(&self, fields: &Value) -> Value {
        if !fields.has_secret() {
            return fields.clone();
        }
        each(fields, &|field, value| match value {
            Value::Secret(secret) => Some(self.secret(field, secret.expose())),
            _ => None,
        })
    }

    /// Fields with every sealed secret in the clear again. What cannot be opened, because its key is not there or it is
    /// damaged, stays sealed.
    pub fn open(&self, fields: &Value) -> Value {
        if !fields.is_withheld() {
            return fields.clone();
        }
        each(fields, &|field, value| match value {
            Value::Sealed(sealed) => self.opened(field, sealed).map(|value| Value::Secret(Secret::new(value))),
            _ => None,
        })
    }

    /// The form of one secret that is kept.
    pub(super) fn secret(&self, field: &str, value: &Value) -> Value {
        let digest = Digest::keyed(&self.sealer.digests, &bytes(value));
        match (&self.sealer.ring, value.expose()) {
            (Some(ring), Ok(json)) => {
                let text = ring.seal(&self.place(field), json.to_string().as_bytes()).into();
                Value::Sealed(Sealed { digest, text })
            }
            _ => Value::Digest(digest),
        }
    }

    fn opened(&self, field: &str, sealed: &Sealed) -> Option<Value> {
        let plain = self.sealer.ring.as_ref()?.open(&self.place(field), &sealed.text).ok()?;
        let json: serde_json::Value = serde_json::from_slice(&plain).ok()?;
        let value = Value::try_from(json).ok()?;
        // A text that was put beside the digest of another one is not what it seems to be.
        (Digest::keyed(&self.sealer.digests, &bytes(&value)) == sealed.digest).then_some(value)
    }

    fn place(&self, field: &str) -> String {
        format!("{}/{}/{field}", self.sealer.workspace, self.owner)
    }
}

/// The fields with every part replaced that a function has another value for.
fn each(fields: &Value, change: &dyn Fn(&str, &Value) -> Option<Value>) -> Value {
    match fields {
        Value::Map(map) => Value::map(map.iter().map(|(field, value)| (field.clone(), changed(value, field, change)))),
        other => changed(other, "", change),
    }
}

fn changed(value: &Value, field: &str, change: &dyn Fn(&str, &Value) -> Option<Value>) -> Value {
    match value {
        Value::List(items) => Value::list(items.iter().map(|item| changed(item, field, change))),
        Value::Map(map) => Value::map(map.iter().map(|(key, item)| (key.clone(), changed(item, field, change)))),
        other => change(field, other).unwrap_or_else(|| other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use crate::testing::SeededIds;

    const VAULT: &str = r#"
        kind = "vault"
        summary = "Keeps things."
        fields.key = { type = "string", summary = "What opens it.", sensitive = true }
        fields.text = { type = "string", summary = "What is in it.", keep = "digest" }
        fields.box = { type = "object", summary = "A box.", fields.code = { type = "string", summary = "Its code.", sensitive = true } }
        fields.note = { type = "any", summary = "Anything." }
    "#;

    fn sealer(ring: Option<Keyring>) -> Sealer {
        Sealer::new(WorkspaceId::new(1), DigestKey::new([1; 32]), ring)
    }

    fn keys() -> Keyring {
        Keyring::fresh(&SeededIds::new(1))
    }

    fn kind(name: &str) -> Kind {
        Kind::parse(name).expect("a kind")
    }

    fn secret(value: impl Into<Value>) -> Value {
        Value::Secret(Secret::new(value.into()))
    }

    #[test]
    fn what_is_kept_opens_again_with_its_type_and_compares_by_digest() {
        let schema = Schema::parse(VAULT).expect("a schema");
        let fields = Value::map([
            ("key", "hunter2".into()),
            ("text", secret("hunter3")),
            ("box", Value::map([("code", "hunter4".into())])),
            ("note", Value::list([secret(Value::map([("pin", 987_654_321.into())])), "open".into(), Value::Unknown])),
        ]);
        let (sealer, digests) = (sealer(Some(keys())), sealer(None));
        let seal = sealer.of_kind(&schema.kind);
        let hidden = schema.hidden(&fields);
        let kept = schema.persistable(&hidden, &seal);
        assert_eq!(kept, schema.persistable(&hidden, &digests.of_kind(&schema.kind)), "a digest is the same secret");
        let text = serde_json::to_string(&kept).expect("it can be written");
        assert!(!["hunter", "987654321"].iter().any(|secret| text.contains(secret)), "{text}");
        assert_eq!(seal.open(&serde_json::from_str(&text).expect("it can be read")), hidden);
        assert_eq!(digests.of_kind(&schema.kind).open(&kept), kept, "without the key it stays as it is");
    }

    #[test]
    fn a_sealed_value_opens_at_its_place_alone() {
        let (sealer, vault) = (sealer(Some(keys())), kind("vault"));
        let fields = Value::map([("key", secret("a")), ("other", secret("b"))]);
        let kept = sealer.of_kind(&vault).close(&fields);
        let field = |name: &str| kept.field(name).cloned().expect("a field");
        let moved = Value::map([("other", field("key"))]);
        assert!(!sealer.of_kind(&vault).open(&moved).has_secret(), "another field");
        for seal in [sealer.of_kind(&kind("chest")), sealer.of_provider(&vault), sealer.of_lookups(), sealer.of_outputs()] {
            assert!(!seal.open(&kept).has_secret(), "another owner: {seal:?}");
        }
        let elsewhere = Sealer::new(WorkspaceId::new(2), DigestKey::new([1; 32]), Some(keys()));
        assert!(!elsewhere.of_kind(&vault).open(&kept).has_secret(), "another workspace");
        let other = sealer.of_kind(&vault).close(&Value::map([("key", secret("c"))]));
        let (Value::Sealed(one), Some(Value::Sealed(two))) = (field("key"), other.field("key").cloned()) else {
            panic!("both are sealed");
        };
        let swapped = Value::map([("key", Value::Sealed(Sealed { digest: one.digest, text: two.text }))]);
        assert!(!sealer.of_kind(&vault).open(&swapped).has_secret(), "the text of another secret");
        assert_eq!(sealer.of_kind(&vault).open(&kept), fields);
    }
}
