//! The messages of nftables, as far as one rule needs them.
//!
//! Names in comments are those of `linux/netfilter/nf_tables.h`, `nfnetlink.h` and `netfilter.h`, which tell the numbers.
//! Numbers inside attributes are in network byte order.

use std::convert::Infallible;

use netlink_packet_core::{
    Emitable as _, NLA_F_NESTED, NLM_F_ACK, NLM_F_CREATE, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, Nla,
};

/// `NFNL_SUBSYS_NFTABLES`
const SUBSYSTEM: u16 = 10;
/// `NFPROTO_UNSPEC`
const NO_FAMILY: u8 = 0;
/// `NFPROTO_IPV4`
const IPV4: u8 = 2;
/// The length of `struct nfgenmsg`, in bytes.
const GENERAL_LENGTH: usize = 4;
/// `NFT_REG_1`
const REGISTER: u32 = 1;
/// `IFNAMSIZ`
const INTERFACE_NAME_LENGTH: usize = 16;

/// One message: `struct nfgenmsg` and attributes.
#[derive(Debug, Clone)]
pub(super) struct Message {
    kind: u16,
    family: u8,
    resource: u16,
    attributes: Vec<Attribute>,
}

/// An attribute with its number.
#[derive(Debug, Clone)]
pub(super) enum Attribute {
    Bytes(u16, Vec<u8>),
    Nested(u16, Vec<Attribute>),
}

impl Message {
    fn of_batch(kind: u16) -> (Self, u16) {
        (Self { kind, family: NO_FAMILY, resource: SUBSYSTEM, attributes: Vec::new() }, 0)
    }

    fn of_tables(kind: u16, attributes: Vec<Attribute>) -> Self {
        Self { kind: SUBSYSTEM << 8 | kind, family: IPV4, resource: 0, attributes }
    }
}

/// Puts messages between the marks that make them one change.
pub(super) fn transaction(messages: Vec<(Message, u16)>) -> Vec<(Message, u16)> {
    // NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
    let (begin, end) = (Message::of_batch(0x10), Message::of_batch(0x11));
    let acknowledged = messages.into_iter().map(|(message, flags)| (message, flags | NLM_F_ACK));
    std::iter::once(begin).chain(acknowledged).chain([end]).collect()
}

/// Makes a table unless it is there.
pub(super) fn new_table(table: &str) -> (Message, u16) {
    // NFT_MSG_NEWTABLE with NFTA_TABLE_NAME
    (Message::of_tables(0, vec![text(1, table)]), NLM_F_CREATE)
}

/// Asks for a table.
pub(super) fn table(table: &str) -> Message {
    // NFT_MSG_GETTABLE with NFTA_TABLE_NAME
    Message::of_tables(1, vec![text(1, table)])
}

/// Deletes a table with all that is in it.
pub(super) fn delete_table(table: &str) -> (Message, u16) {
    // NFT_MSG_DELTABLE with NFTA_TABLE_NAME
    (Message::of_tables(2, vec![text(1, table)]), 0)
}

/// Makes a chain that sees what leaves the machine, where source addresses are translated.
pub(super) fn new_source_nat_chain(table: &str, chain: &str) -> (Message, u16) {
    // NFTA_HOOK_HOOKNUM: NF_INET_POST_ROUTING; NFTA_HOOK_PRIORITY: NF_IP_PRI_NAT_SRC
    let hook = vec![number(1, 4), number(2, 100)];
    // NFT_MSG_NEWCHAIN with NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HOOK, NFTA_CHAIN_TYPE
    let attributes = vec![text(1, table), text(3, chain), Attribute::Nested(4, hook), text(7, "nat")];
    (Message::of_tables(3, attributes), NLM_F_CREATE)
}

/// Makes a rule of expressions.
pub(super) fn new_rule(table: &str, chain: &str, expressions: Vec<Attribute>) -> (Message, u16) {
    // NFT_MSG_NEWRULE with NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_EXPRESSIONS
    let attributes = vec![text(1, table), text(2, chain), Attribute::Nested(4, expressions)];
    (Message::of_tables(6, attributes), NLM_F_CREATE)
}

/// Goes on when the masked source address is a network's.
pub(super) fn source_is(network: [u8; 4], mask: [u8; 4]) -> Vec<Attribute> {
    // NFTA_PAYLOAD_DREG, _BASE: NFT_PAYLOAD_NETWORK_HEADER, _OFFSET: saddr of struct iphdr, _LEN
    let load = vec![number(1, REGISTER), number(2, 1), number(3, 12), number(4, 4)];
    // NFTA_BITWISE_SREG, _DREG, _LEN, _MASK, _XOR
    let and = vec![number(1, REGISTER), number(2, REGISTER), number(3, 4), value(4, &mask), value(5, &[0; 4])];
    vec![expression("payload", load), expression("bitwise", and), compare(Comparison::Equal, &network)]
}

/// Goes on when the packet leaves by another interface.
pub(super) fn leaves_by_other_than(interface: &str) -> Vec<Attribute> {
    let mut name = interface.as_bytes().to_vec();
    name.resize(INTERFACE_NAME_LENGTH, 0);
    // NFTA_META_DREG, NFTA_META_KEY: NFT_META_OIFNAME
    vec![expression("meta", vec![number(1, REGISTER), number(2, 7)]), compare(Comparison::NotEqual, &name)]
}

/// Gives the packet the address of the interface it leaves by.
pub(super) fn masquerade() -> Attribute {
    expression("masq", Vec::new())
}

#[derive(Clone, Copy)]
enum Comparison {
    /// `NFT_CMP_EQ`
    Equal = 0,
    /// `NFT_CMP_NEQ`
    NotEqual = 1,
}

fn compare(comparison: Comparison, with: &[u8]) -> Attribute {
    // NFTA_CMP_SREG, NFTA_CMP_OP, NFTA_CMP_DATA
    expression("cmp", vec![number(1, REGISTER), number(2, comparison as u32), value(3, with)])
}

fn expression(name: &str, data: Vec<Attribute>) -> Attribute {
    // NFTA_LIST_ELEM of NFTA_EXPR_NAME, NFTA_EXPR_DATA
    Attribute::Nested(1, vec![text(1, name), Attribute::Nested(2, data)])
}

fn text(kind: u16, text: &str) -> Attribute {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    Attribute::Bytes(kind, bytes)
}

fn number(kind: u16, number: u32) -> Attribute {
    Attribute::Bytes(kind, number.to_be_bytes().to_vec())
}

fn value(kind: u16, bytes: &[u8]) -> Attribute {
    // NFTA_DATA_VALUE
    Attribute::Nested(kind, vec![Attribute::Bytes(1, bytes.to_vec())])
}

impl Nla for Attribute {
    fn value_len(&self) -> usize {
        match self {
            Self::Bytes(_, bytes) => bytes.len(),
            Self::Nested(_, inner) => inner.as_slice().buffer_len(),
        }
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Bytes(kind, _) => *kind,
            Self::Nested(kind, _) => kind | NLA_F_NESTED,
        }
    }

    fn emit_value(&self, buffer: &mut [u8]) {
        match self {
            Self::Bytes(_, bytes) => buffer.copy_from_slice(bytes),
            Self::Nested(_, inner) => inner.as_slice().emit(buffer),
        }
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        GENERAL_LENGTH + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        let (general, attributes) = buffer.split_at_mut(GENERAL_LENGTH);
        let [high, low] = self.resource.to_be_bytes();
        // NFNETLINK_V0 stands between.
        general.copy_from_slice(&[self.family, 0, high, low]);
        self.attributes.as_slice().emit(attributes);
    }
}

/// That there is an answer is all that is asked for, so that its attributes are left out.
impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, _payload: &[u8]) -> Result<Self, Infallible> {
        Ok(Self { kind: header.message_type, family: NO_FAMILY, resource: 0, attributes: Vec::new() })
    }
}
