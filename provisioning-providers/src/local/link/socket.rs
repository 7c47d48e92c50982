//! Questions to the kernel over netlink, and its answers.
//!
//! The kernel works while it is being asked and has answered when the call returns, so nothing here waits: an answer that is
//! not there is an error. What the messages mean is not known here.

use std::fmt;

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkMessage, NetlinkPayload, NetlinkSerializable, NlasIterator,
};
use netlink_sys::SocketAddr;
use rustix::io::Errno;

use super::error::Refusal;

/// How many answers are kept; a machine with more interfaces or routes is none that this is for.
const MAX_ANSWERS: usize = 1 << 16;
/// How often a list is asked for again because it changed meanwhile.
const MAX_LISTINGS: usize = 16;
/// The alignment of messages in a datagram, in bytes.
const ALIGNMENT: usize = 4;
/// How long a message's own header is, which an error carries back, in bytes.
const HEADER_LENGTH: usize = 16;
/// `NLMSGERR_ATTR_MSG` of linux/netlink.h: the kernel's sentence about an error.
const SENTENCE: u16 = 1;

/// A socket to one part of the kernel, in the network namespace of the thread that opened it.
pub(super) struct Socket {
    socket: netlink_sys::Socket,
    sequence: u32,
}

/// What has come in after a request.
struct Answers<M> {
    messages: Vec<M>,
    settled: usize,
    changed: bool,
}

impl Socket {
    /// Opens a socket for one of the netlink protocols.
    pub(super) fn open(protocol: isize) -> Result<Self, Refusal> {
        let mut socket = netlink_sys::Socket::new(protocol)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.set_non_blocking(true)?;
        socket.set_cap_ack(true)?;
        socket.set_ext_ack(true)?;
        Ok(Self { socket, sequence: 0 })
    }

    /// Sends one message that is to have an effect, or to name one thing, and gives what was answered.
    pub(super) fn request<M>(&mut self, message: M, flags: u16) -> Result<Vec<M>, Refusal>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        self.exchange(vec![(message, flags | NLM_F_ACK)]).map(|answers| answers.messages)
    }

    /// Sends messages of which all have their effect or none has; the ones with `NLM_F_ACK` are waited for.
    pub(super) fn batch<M>(&mut self, messages: Vec<(M, u16)>) -> Result<(), Refusal>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        self.exchange(messages).map(drop)
    }

    /// Gives a whole list, as it was at one moment.
    pub(super) fn list<M>(&mut self, message: &M) -> Result<Vec<M>, Refusal>
    where
        M: NetlinkSerializable + NetlinkDeserializable + Clone,
    {
        for _ in 0..MAX_LISTINGS {
            let answers = self.exchange(vec![(message.clone(), NLM_F_DUMP)])?;
            if !answers.changed {
                return Ok(answers.messages);
            }
        }
        Err(Refusal::new(Errno::INTR, Some("the list changed whenever it was read".to_owned())))
    }

    fn exchange<M>(&mut self, messages: Vec<(M, u16)>) -> Result<Answers<M>, Refusal>
    where
        M: NetlinkSerializable + NetlinkDeserializable,
    {
        let first = self.sequence.wrapping_add(1);
        let count = messages.len();
        let awaited = messages.iter().filter(|(_, flags)| flags & (NLM_F_ACK | NLM_F_DUMP) != 0).count();
        let datagram = self.encode(messages);
        self.socket.send(&datagram, 0)?;
        let mut answers = Answers { messages: Vec::new(), settled: 0, changed: false };
        while answers.settled < awaited {
            let (datagram, sender) = self.socket.recv_from_full().map_err(unanswered)?;
            // Whatever is left of an earlier request that failed, or comes from another process, is nobody's answer.
            let is_ours = |header: &NetlinkHeader| (header.sequence_number.wrapping_sub(first) as usize) < count;
            if sender.port_number() == 0 {
                answers.take(&datagram, is_ours)?;
            }
        }
        Ok(answers)
    }

    fn encode<M: NetlinkSerializable>(&mut self, messages: Vec<(M, u16)>) -> Vec<u8> {
        let mut datagram = Vec::new();
        for (message, flags) in messages {
            self.sequence = self.sequence.wrapping_add(1);
            let mut header = NetlinkHeader::default();
            header.flags = flags | NLM_F_REQUEST;
            header.sequence_number = self.sequence;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len().next_multiple_of(ALIGNMENT), 0);
            message.serialize(&mut datagram[start..start + message.buffer_len()]);
        }
        datagram
    }
}

impl<M: NetlinkDeserializable> Answers<M> {
    fn take(&mut self, datagram: &[u8], is_ours: impl Fn(&NetlinkHeader) -> bool) -> Result<(), Refusal> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let message = NetlinkMessage::<M>::deserialize(rest)
                .map_err(|error| Refusal::new(Errno::BADMSG, Some(format!("an answer cannot be read: {error}"))))?;
            let (header, payload) = message.into_parts();
            let length = (header.length as usize).next_multiple_of(ALIGNMENT).max(HEADER_LENGTH);
            rest = rest.get(length..).unwrap_or_default();
            if is_ours(&header) {
                self.changed |= header.flags & NLM_F_DUMP_INTR != 0;
                self.add(&header, payload)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, header: &NetlinkHeader, payload: NetlinkPayload<M>) -> Result<(), Refusal> {
        match payload {
            NetlinkPayload::InnerMessage(_) if self.messages.len() == MAX_ANSWERS => {
                return Err(Refusal::new(Errno::TOOBIG, None));
            }
            NetlinkPayload::InnerMessage(message) => self.messages.push(message),
            NetlinkPayload::Done(done) if done.code < 0 => return Err(Refusal::new(errno(done.code), None)),
            NetlinkPayload::Error(error) => match error.code {
                Some(code) => return Err(Refusal::new(errno(code.get()), sentence(header, &error))),
                None => self.settled += 1,
            },
            NetlinkPayload::Done(_) => self.settled += 1,
            _ => {}
        }
        Ok(())
    }
}

fn errno(code: i32) -> Errno {
    Errno::from_raw_os_error(code.wrapping_abs())
}

/// The kernel's sentence stands in attributes behind the header of the message that it refused.
fn sentence(header: &NetlinkHeader, error: &ErrorMessage) -> Option<String> {
    if header.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let attributes = error.header.get(HEADER_LENGTH..)?;
    let found = NlasIterator::new(attributes).flatten().find(|attribute| attribute.kind() == SENTENCE)?;
    Some(String::from_utf8_lossy(found.value()).trim_end_matches('\0').to_owned())
}

fn unanswered(error: std::io::Error) -> Refusal {
    let refusal = Refusal::from(error);
    match refusal.errno {
        Errno::AGAIN => Refusal::new(Errno::AGAIN, Some("the kernel did not answer".to_owned())),
        _ => refusal,
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}
