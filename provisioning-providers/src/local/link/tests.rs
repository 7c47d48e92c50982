//! Real bridges, cables and packets, in network namespaces of their own: nothing here touches the machine's.
//!
//! Every test runs itself again under `unshare`, as root of a user namespace, which a plain user may as well.

use std::env;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use provisioning_core::error::ErrorKind;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::InfoKind;
use rtnetlink::{LinkBridge, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};
use rustix::thread::{CapabilitySet, CapabilitySets, LinkNameSpaceType, move_into_link_name_space, set_capabilities};

use super::bridge::BridgeState;
use super::veth::mac_of;
use super::{Ipv4Range, Links, VethSpec, allow_forwarding, delete_nat, has_nat, put_nat};

/// Tells a test that it runs inside.
const INSIDE: &str = "PROVISIONING_TEST_NAMESPACE";
/// How long a connection may take: the first packets are lost until the kernel has seen that a cable is plugged in.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test's body in a network namespace of its own.
fn isolated(name: &str, body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        return body();
    }
    let module = module_path!().split_once("::").expect("a module of this crate").1;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--net", "--mount"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", &format!("{module}::{name}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("this test needs `unshare` of util-linux");
    let (told, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && told.contains("1 passed"),
        "`{name}` failed in its namespace; where `unshare` itself complains, user namespaces are not permitted here, and this \
         test needs them (kernel.unprivileged_userns_clone, user.max_user_namespaces):\n{told}\n{complaint}"
    );
}

/// A network namespace, which is there as long as the file is open.
fn namespace() -> File {
    let mut child = Command::new("unshare")
        .args(["--net", "sh", "-c", "echo ready; read end"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "there is no second network namespace");
    let file = File::open(format!("/proc/{}/ns/net", child.id())).unwrap();
    child.wait().unwrap();
    file
}

/// Does something in a network namespace; sockets that it opens stay there.
fn inside<T: Send>(namespace: &File, work: impl FnOnce() -> T + Send) -> T {
    let entered = || {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        work()
    };
    thread::scope(|scope| scope.spawn(entered).join().unwrap())
}

fn range(text: &str) -> Ipv4Range {
    Ipv4Range::parse(text).unwrap()
}

fn cable(host_name: &str, bridge: &str, range: Ipv4Range, number: usize) -> VethSpec {
    let address = range.hosts().nth(number).unwrap();
    VethSpec { host_name: host_name.to_owned(), bridge: bridge.to_owned(), inner_name: "eth0".to_owned(), address, range }
}

/// A namespace with a cable to a bridge, and the gateway as its way out; it plugs itself in, by a handle from outside.
fn host(links: &mut Links, spec: &VethSpec) -> File {
    let namespace = namespace();
    inside(&namespace, || {
        links.attach(spec, namespace.as_fd()).unwrap();
        Links::open().unwrap().configure_inside(spec, Some(spec.range.gateway())).unwrap();
    });
    namespace
}

/// Connects from one namespace to an address in another, and gives the address that the connection is seen to come from.
fn peer_seen(from: &File, to: &File, address: Ipv4Addr) -> Ipv4Addr {
    let listener = inside(to, || TcpListener::bind((address, 0)).unwrap());
    let place = listener.local_addr().unwrap();
    let _connection = inside(from, || TcpStream::connect_timeout(&place, PATIENCE).unwrap());
    match listener.accept().unwrap().1 {
        SocketAddr::V4(peer) => *peer.ip(),
        SocketAddr::V6(peer) => panic!("{peer} is not IPv4"),
    }
}

/// Makes an interface as somebody else would.
fn foreign_bridge(links: &mut Links, name: &str) {
    let message = LinkMessageBuilder::<LinkBridge>::new(name).build();
    links.socket.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).unwrap();
}

#[test]
fn a_bridge_is_made_once_and_found_by_name() {
    isolated("a_bridge_is_made_once_and_found_by_name", || {
        let mut links = Links::open().unwrap();
        assert_eq!(links.find_bridge("pv0").unwrap(), None);
        for _ in 0..2 {
            links.create_bridge("pv0", "token:one", range("10.7.0.0/24")).unwrap();
        }
        links.create_bridge("pv1", "other:two", range("10.8.0.0/24")).unwrap();
        let BridgeState { name, alias, range: found, up, .. } = links.find_bridge("pv0").unwrap().unwrap();
        assert_eq!((name.as_str(), alias.as_str(), found, up), ("pv0", "token:one", Some(range("10.7.0.0/24")), true));
        assert!(links.find_bridge("pv1").unwrap().is_some());
        assert_eq!(links.find_bridge("lo").unwrap(), None);
    });
}

#[test]
fn a_bridge_that_was_begun_is_completed_from_every_step() {
    isolated("a_bridge_that_was_begun_is_completed_from_every_step", || {
        let mut links = Links::open().unwrap();
        let wanted = range("10.7.0.0/24");
        for steps in 1..=3 {
            let mac = mac_of(wanted.gateway()).to_vec();
            let message = LinkMessageBuilder::<LinkBridge>::new("pv0").address(mac).build();
            links.socket.request(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL).unwrap();
            let index = links.find("pv0").unwrap().unwrap().header.index;
            if steps > 1 {
                links.set(LinkUnspec::new_with_index(index).alias("token").build()).unwrap();
            }
            if steps > 2 {
                links.put_address(index, wanted.gateway(), wanted).unwrap();
            }
            links.create_bridge("pv0", "token", wanted).unwrap();
            let bridge = links.find_bridge("pv0").unwrap().unwrap();
            assert_eq!((bridge.index(), bridge.alias.as_str(), bridge.range, bridge.up), (index, "token", Some(wanted), true));
            links.delete_bridge("pv0", "token").unwrap();
        }
    });
}

#[test]
fn what_is_somebody_elses_is_neither_taken_nor_removed() {
    isolated("what_is_somebody_elses_is_neither_taken_nor_removed", || {
        let mut links = Links::open().unwrap();
        let wanted = range("10.7.0.0/24");
        links.create_bridge("pv0", "one", wanted).unwrap();
        foreign_bridge(&mut links, "br0");
        for name in ["pv0", "br0", "lo"] {
            let error = links.create_bridge(name, "two", wanted).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        for name in ["pv0", "br0"] {
            assert_eq!(links.delete_bridge(name, "two").unwrap_err().kind(), ErrorKind::Conflict);
            assert_eq!(links.detach(name).unwrap_err().kind(), ErrorKind::Conflict);
            assert!(links.find_bridge(name).unwrap().is_some());
        }
        let error = links.create_bridge("pv0", "one", range("10.9.0.0/24")).unwrap_err();
        assert_eq!(error.to_string(), "the bridge `pv0` has the range `10.7.0.0/24`, not `10.9.0.0/24`");
        for _ in 0..2 {
            links.delete_bridge("pv0", "one").unwrap();
        }
        assert_eq!(links.find_bridge("pv0").unwrap(), None);
    });
}

#[test]
fn names_that_no_interface_can_have_are_invalid() {
    isolated("names_that_no_interface_can_have_are_invalid", || {
        let mut links = Links::open().unwrap();
        let error = links.create_bridge("pv-sixteen-bytes", "token", range("10.7.0.0/24")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.to_string(), "`pv-sixteen-bytes` has 16 bytes, and the name of an interface has 1 to 15");
        assert_eq!(links.find_bridge("").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(put_nat("pv_t", range("10.7.0.0/24"), "pv-sixteen-bytes").unwrap_err().kind(), ErrorKind::Invalid);
        assert_eq!(links.create_bridge("a/b", "token", range("10.7.0.0/24")).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn without_the_right_to_everything_is_denied_with_advice() {
    isolated("without_the_right_to_everything_is_denied_with_advice", || {
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
        let mut links = Links::open().unwrap();
        let errors = [
            links.create_bridge("pv0", "token", range("10.7.0.0/24")).unwrap_err(),
            put_nat("pv_t", range("10.7.0.0/24"), "pv0").unwrap_err(),
            delete_nat("pv_t").unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
            assert!(error.hint().unwrap().contains("CAP_NET_ADMIN"));
        }
    });
}

#[test]
fn hosts_on_a_bridge_reach_one_another() {
    isolated("hosts_on_a_bridge_reach_one_another", || {
        let mut links = Links::open().unwrap();
        let network = range("10.7.0.0/24");
        links.create_bridge("pv0", "token", network).unwrap();
        let (first, second) = (cable("pvh0", "pv0", network, 0), cable("pvh1", "pv0", network, 1));
        let (one, two) = (host(&mut links, &first), host(&mut links, &second));
        assert_eq!(peer_seen(&one, &two, second.address), first.address);
        assert_eq!(peer_seen(&two, &one, first.address), second.address);
        let eth0 = inside(&one, || Links::open().unwrap().find("eth0").unwrap().unwrap());
        assert!(format!("{eth0:?}").contains(&format!("Address({:?})", mac_of(first.address))), "{eth0:?}");
    });
}

#[test]
fn a_cable_replaces_the_one_that_a_predecessor_left() {
    isolated("a_cable_replaces_the_one_that_a_predecessor_left", || {
        let mut links = Links::open().unwrap();
        let network = range("10.7.0.0/24");
        links.create_bridge("pv0", "token", network).unwrap();
        let (first, second) = (cable("pvh0", "pv0", network, 0), cable("pvh1", "pv0", network, 1));
        let (left, other) = (host(&mut links, &first), host(&mut links, &second));
        let next = host(&mut links, &first);
        assert_eq!(peer_seen(&other, &next, first.address), second.address);
        inside(&left, || assert!(Links::open().unwrap().find("eth0").unwrap().is_none()));
        inside(&next, || Links::open().unwrap().configure_inside(&first, Some(network.gateway())).unwrap());
        for _ in 0..2 {
            links.detach("pvh0").unwrap();
        }
        let error = inside(&next, || Links::open().unwrap().configure_inside(&first, None).unwrap_err());
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_cable_needs_its_bridge_and_an_address_of_its_range() {
    isolated("a_cable_needs_its_bridge_and_an_address_of_its_range", || {
        let mut links = Links::open().unwrap();
        let namespace = namespace();
        let spec = cable("pvh0", "pv0", range("10.7.0.0/24"), 0);
        let error = links.attach(&spec, namespace.as_fd()).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::NotFound, "the bridge `pv0` for `pvh0` does not exist")
        );
        let stray = VethSpec { address: Ipv4Addr::new(10, 8, 0, 2), ..spec };
        assert_eq!(links.attach(&stray, namespace.as_fd()).unwrap_err().kind(), ErrorKind::Invalid);
    });
}

#[test]
fn ranges_in_use_are_those_of_addresses_and_routes() {
    isolated("ranges_in_use_are_those_of_addresses_and_routes", || {
        let mut links = Links::open().unwrap();
        assert_eq!(links.ranges_in_use().unwrap(), []);
        links.create_bridge("pv0", "token", range("10.7.0.0/24")).unwrap();
        let index = links.find_bridge("pv0").unwrap().unwrap().index();
        let gateway = Ipv4Addr::new(10, 7, 0, 9);
        for (network, prefix) in [(Ipv4Addr::new(172, 20, 0, 0), 16), (Ipv4Addr::UNSPECIFIED, 1), (Ipv4Addr::UNSPECIFIED, 0)] {
            let route = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(index).gateway(gateway);
            let route = route.destination_prefix(network, prefix).build();
            links.socket.request(RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_EXCL).unwrap();
        }
        let used = links.ranges_in_use().unwrap();
        for (free, candidate) in
            [(false, "10.7.0.0/16"), (false, "172.20.9.0/24"), (true, "10.8.0.0/16"), (true, "192.168.0.0/16")]
        {
            assert_eq!(!used.iter().any(|used| used.overlaps(range(candidate))), free, "{candidate} and {used:?}");
        }
    });
}

#[test]
fn a_list_of_many_interfaces_is_read_to_its_end() {
    isolated("a_list_of_many_interfaces_is_read_to_its_end", || {
        let mut links = Links::open().unwrap();
        for number in 0..64 {
            links.create_bridge(&format!("pv{number}"), "token", range(&format!("10.7.{number}.0/24"))).unwrap();
        }
        let used = links.ranges_in_use().unwrap();
        let missing = (0..64).find(|number| !used.contains(&range(&format!("10.7.{number}.0/24"))));
        assert_eq!(missing, None, "{used:?}");
    });
}

#[test]
fn a_way_out_is_put_and_taken_away_as_often_as_one_likes() {
    isolated("a_way_out_is_put_and_taken_away_as_often_as_one_likes", || {
        delete_nat("pv_t").unwrap();
        assert!(!has_nat("pv_t").unwrap());
        for _ in 0..2 {
            put_nat("pv_t", range("10.7.0.0/24"), "pv0").unwrap();
            assert!(has_nat("pv_t").unwrap() && !has_nat("pv_other").unwrap());
        }
        for _ in 0..2 {
            delete_nat("pv_t").unwrap();
            assert!(!has_nat("pv_t").unwrap());
        }
    });
}

#[test]
fn packets_that_leave_a_network_with_a_way_out_are_masqueraded() {
    isolated("packets_that_leave_a_network_with_a_way_out_are_masqueraded", || {
        let mut links = Links::open().unwrap();
        let (network, world) = (range("10.7.0.0/24"), range("192.0.2.0/24"));
        links.create_bridge("pv0", "token", network).unwrap();
        links.create_bridge("world0", "token", world).unwrap();
        let (spec, neighbour, far) =
            (cable("pvh0", "pv0", network, 0), cable("pvh1", "pv0", network, 1), cable("far0", "world0", world, 0));
        let (home, beside, outside) = (host(&mut links, &spec), host(&mut links, &neighbour), host(&mut links, &far));
        for _ in 0..2 {
            allow_forwarding().unwrap();
        }
        assert_eq!(peer_seen(&home, &outside, far.address), spec.address, "before there is a way out");
        for _ in 0..2 {
            put_nat("pv_t", network, "pv0").unwrap();
            assert_eq!(peer_seen(&home, &outside, far.address), world.gateway());
        }
        assert_eq!(peer_seen(&home, &beside, neighbour.address), spec.address, "inside the network");
        assert_eq!(peer_seen(&outside, &home, spec.address), far.address, "another network's addresses");
        put_nat("pv_t", range("10.9.0.0/24"), "pv0").unwrap();
        assert_eq!(peer_seen(&home, &outside, far.address), spec.address, "under another network's rule");
        delete_nat("pv_t").unwrap();
        assert_eq!(peer_seen(&home, &outside, far.address), spec.address, "after it was taken away");
    });
}

#[test]
fn an_interface_of_another_kind_is_no_bridge() {
    isolated("an_interface_of_another_kind_is_no_bridge", || {
        let mut links = Links::open().unwrap();
        let pair = LinkVeth::new("v0", "v1").build();
        links.socket.request(RouteNetlinkMessage::NewLink(pair), NLM_F_CREATE | NLM_F_EXCL).unwrap();
        assert!(super::is_a(&links.find("v0").unwrap().unwrap(), &InfoKind::Veth));
        assert_eq!(links.find_bridge("v0").unwrap(), None);
        links.delete_bridge("v0", "token").unwrap();
        assert_eq!(links.create_bridge("v0", "token", range("10.7.0.0/24")).unwrap_err().kind(), ErrorKind::Conflict);
        links.detach("v1").unwrap();
        assert!(links.find("v0").unwrap().is_none());
    });
}
