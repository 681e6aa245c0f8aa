//! Who listens where in a demo, decided before anything starts.

use anyhow::bail;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

/// The addresses of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub directories: Vec<DirectoryPlan>,
    pub nodes: Vec<NodePlan>,
    /// What is not as one would expect.
    pub remarks: Vec<String>,
}

/// The address of a directory server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DirectoryPlan {
    pub name: String,
    pub address: SocketAddr,
}

/// The addresses of a super node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodePlan {
    pub name: String,
    pub native: SocketAddr,
    pub irc: SocketAddr,
}

/// How many there are of each.
#[derive(Clone, Copy)]
struct Size {
    directories: u8,
    nodes: u8,
}

/// The ports of a network: the directory's, the super nodes', IRC's.
#[derive(Clone, Copy)]
struct Ports([u16; 3]);

const USUAL: Ports = Ports([7400, 7411, 6667]);
/// Where all share one loopback address and ports lie side by side, directory servers behind the first begin so far behind it: beyond the ports of super nodes.
const DIRECTORIES_APART: u16 = 210;
/// Where to look for free ports when the usual ones are taken, in steps of [`SEARCH_STEP`].
const SEARCH: std::ops::Range<u16> = 17_400..27_400;
const SEARCH_STEP: u16 = 250;

impl Ports {
    fn from(base: u16) -> Ports {
        Ports([base, base + 1, base + 2])
    }
}

impl Plan {
    /// Finds addresses for so many directory servers and super nodes. Ports that were asked for must be free; the usual ones give way.
    pub fn new(directories: u8, nodes: u8, base_port: Option<u16>) -> anyhow::Result<Plan> {
        Plan::with(Size { directories, nodes }, base_port, |address| TcpListener::bind(address).map(drop).map_err(|error| error.kind()))
    }

    /// As [`Plan::new`], where `probe` says whether one can listen at an address.
    fn with(size: Size, base_port: Option<u16>, probe: impl Fn(SocketAddr) -> Result<(), ErrorKind>) -> anyhow::Result<Plan> {
        let wanted = base_port.map_or(USUAL, Ports::from);
        let taken = match Plan::at(size, wanted, &probe) {
            Ok(plan) => return Ok(plan),
            Err((address, kind)) if base_port.is_some() => bail!("{address} can't be listened at ({kind}): choose another --base-port"),
            Err((address, _)) => address,
        };
        for base in SEARCH.step_by(SEARCH_STEP.into()) {
            if let Ok(mut plan) = Plan::at(size, Ports::from(base), &probe) {
                plan.remarks.insert(0, format!("{taken} is taken, so the network uses ports {base} to {} instead.", plan.last_port()));
                return Ok(plan);
            }
        }
        bail!("{taken} is taken, and no other ports are free; choose with --base-port")
    }

    /// The network at these ports, or the first address that can't be listened at.
    fn at(size: Size, ports: Ports, probe: &impl Fn(SocketAddr) -> Result<(), ErrorKind>) -> Result<Plan, (SocketAddr, ErrorKind)> {
        let has = |ip: Ipv4Addr| probe(SocketAddr::new(ip.into(), 0)) != Err(ErrorKind::AddrNotAvailable);
        let plan = if (1..=size.nodes.max(size.directories)).all(|n| has(Ipv4Addr::new(127, 0, 0, n))) {
            Plan::on_addresses(size, ports)
        } else {
            Plan::on_ports(size, ports)
        };
        let all = plan.nodes.iter().flat_map(|node| [node.native, node.irc]);
        for address in plan.directories.iter().map(|server| server.address).chain(all) {
            probe(address).map_err(|kind| (address, kind))?;
        }
        Ok(plan)
    }

    /// A host for each super node, as in real life.
    fn on_addresses(Size { directories, nodes }: Size, Ports([directory, native, irc]): Ports) -> Plan {
        let node = |n: u8| {
            let ip = IpAddr::from(Ipv4Addr::new(127, 0, 0, n));
            NodePlan { name: format!("node{n}"), native: SocketAddr::new(ip, native), irc: SocketAddr::new(ip, irc) }
        };
        let server =
            |n: u8| DirectoryPlan { name: named(n, directories), address: SocketAddr::from((Ipv4Addr::new(127, 0, 0, n), directory)) };
        Plan { directories: (1..=directories).map(server).collect(), nodes: (1..=nodes).map(node).collect(), remarks: Vec::new() }
    }

    /// All on one host, where the system has only one loopback address.
    fn on_ports(Size { directories, nodes }: Size, Ports([directory, native, irc]): Ports) -> Plan {
        // Where the ports lie side by side, two for each node; else each kind counts up by itself.
        let step = if irc.abs_diff(native) == 1 { 2 } else { 1 };
        let node = |n: u8| {
            let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port + u16::from(n - 1) * step));
            NodePlan { name: format!("node{n}"), native: at(native), irc: at(irc) }
        };
        let remark = "This system has only one loopback address, so all share it and differ by port.".to_string();
        let apart = if step == 2 { DIRECTORIES_APART } else { 0 };
        let port = |n: u8| directory + if n == 1 { 0 } else { apart + u16::from(n - 1) };
        let server = |n: u8| DirectoryPlan { name: named(n, directories), address: SocketAddr::from((Ipv4Addr::LOCALHOST, port(n))) };
        Plan { directories: (1..=directories).map(server).collect(), nodes: (1..=nodes).map(node).collect(), remarks: vec![remark] }
    }

    fn last_port(&self) -> u16 {
        let nodes = self.nodes.iter().map(|node| node.native.port().max(node.irc.port()));
        nodes.chain(self.directories.iter().map(|server| server.address.port())).max().unwrap_or_default()
    }

    /// Where the directory servers are, for the command line.
    pub fn directory_list(&self) -> String {
        self.directories.iter().map(|server| server.address.to_string()).collect::<Vec<_>>().join(",")
    }
}

/// One alone needs no number.
fn named(n: u8, of: u8) -> String {
    if of == 1 { "directory".to_string() } else { format!("directory{n}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(plan: &Plan) -> String {
        let nodes = plan.nodes.iter().map(|node| format!(" | {} {} {}", node.name, node.native, node.irc));
        std::iter::once(plan.directory_list()).chain(nodes).collect()
    }

    /// The plan where some ports are taken and the system has so many loopback addresses.
    #[track_caller]
    fn check(nodes: u8, base_port: Option<u16>, hosts: u8, taken: &[u16], expect: Result<(&str, usize), &str>) {
        let plan = Plan::with(Size { directories: 1, nodes }, base_port, |address| match address.ip() {
            IpAddr::V4(ip) if ip.octets()[3] > hosts => Err(ErrorKind::AddrNotAvailable),
            _ if taken.contains(&address.port()) => Err(ErrorKind::AddrInUse),
            _ => Ok(()),
        });
        match (plan, expect) {
            (Ok(plan), Ok((expect, remarks))) => assert_eq!((shown(&plan).as_str(), plan.remarks.len()), (expect, remarks)),
            (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect),
            (plan, expect) => panic!("{plan:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn plans() {
        let usual = "127.0.0.1:7400 | node1 127.0.0.1:7411 127.0.0.1:6667 | node2 127.0.0.2:7411 127.0.0.2:6667";
        check(2, None, 255, &[], Ok((usual, 0)));
        let based = "127.0.0.1:9000 | node1 127.0.0.1:9001 127.0.0.1:9002 | node2 127.0.0.2:9001 127.0.0.2:9002";
        check(2, Some(9000), 255, &[7400], Ok((based, 0)));
        check(2, Some(9000), 255, &[9002], Err("127.0.0.1:9002 can't be listened at (address in use): choose another --base-port"));
        let elsewhere = "127.0.0.1:17650 | node1 127.0.0.1:17651 127.0.0.1:17652";
        check(1, None, 255, &[6667, 17_401], Ok((elsewhere, 1)));
    }

    #[test]
    fn several_directory_servers() {
        let plan = |hosts: u8, base_port| {
            let probe = |address: SocketAddr| match address.ip() {
                IpAddr::V4(ip) if ip.octets()[3] > hosts => Err(ErrorKind::AddrNotAvailable),
                _ => Ok(()),
            };
            Plan::with(Size { directories: 3, nodes: 1 }, base_port, probe).unwrap()
        };
        let names: Vec<String> = plan(255, None).directories.into_iter().map(|server| server.name).collect();
        assert_eq!(names, ["directory1", "directory2", "directory3"]);
        assert_eq!(plan(255, None).directory_list(), "127.0.0.1:7400,127.0.0.2:7400,127.0.0.3:7400");
        assert_eq!(plan(1, None).directory_list(), "127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402");
        assert_eq!(plan(1, Some(9000)).directory_list(), "127.0.0.1:9000,127.0.0.1:9211,127.0.0.1:9212");
    }

    #[test]
    fn with_one_loopback_address() {
        let usual = "127.0.0.1:7400 | node1 127.0.0.1:7411 127.0.0.1:6667 | node2 127.0.0.1:7412 127.0.0.1:6668";
        check(2, None, 1, &[], Ok((usual, 1)));
        let based = "127.0.0.1:9000 | node1 127.0.0.1:9001 127.0.0.1:9002 | node2 127.0.0.1:9003 127.0.0.1:9004";
        check(2, Some(9000), 1, &[], Ok((based, 1)));
        check(1, None, 1, &[], Ok(("127.0.0.1:7400 | node1 127.0.0.1:7411 127.0.0.1:6667", 0)));
    }
}
