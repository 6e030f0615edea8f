//! What a firmware's container does to the host's network: no more than any other container.

use crate::harness::{Container, Network, Status, engine};

/// What the host's network shows, but for what is by chance: names of pairs, hashes in names of chains, hardware addresses,
/// and the states that interfaces pass through.
const SNAPSHOT: &str = r#"
{
    ip -o link | awk '{ print "interface", $2 }'
    ip -o addr show scope global | awk '{ print "address", $2, $3, $4 }'
    for family in -4 -6; do ip $family route show table all | grep -v fe80: | grep -v '^multicast ff00::' ; done
    nft list ruleset 2>/dev/null
    for table in nat filter mangle raw; do
        for save in iptables-save ip6tables-save; do $save -t $table 2>/dev/null | grep -v '^#'; done
    done
} | sed -E '
    s/veth[0-9a-f]+(@if[0-9]+)?/veth/g
    s/br-[0-9a-f]{12}/br-X/g
    s/CNI-(DN-)?[0-9a-f]{16,}/CNI-\1X/g
    s/NETAVARK-(DN-)?[0-9A-F]{12,}/NETAVARK-\1X/g
    s/[0-9a-f]{64}/ID/g
    s/nv_[0-9a-f]{8}_/nv_X_/g
    s/\[[0-9]+:[0-9]+\]|counter packets [0-9]+ bytes [0-9]+ //
    s/ (linkdown|dead)//g
' | grep -vE '^local |^broadcast |^anycast ' | sort
"#;

/// The host's network while a container runs and when it is gone, on a machine of its own.
fn seen_with(container: &Container) -> (String, String) {
    let engine = engine();
    let snapshot = || engine.machine().shell(SNAPSHOT).ok();
    engine.run(container).ok();
    let mut during = snapshot();
    if engine.logs(container.name).contains("warning: hooks: this runtime runs none") {
        // docker 26 moves the container's end of the pair by a hook: so both stay here, unused, until it is gone.
        during = during.replace("interface veth@veth:\ninterface veth@veth:\n", "interface veth:\n");
    }
    engine.remove_by_force(container.name).ok();
    (during, snapshot())
}

#[track_caller]
fn assert_same(firmware: &str, ordinary: &str, when: &str) {
    let without = |lines: &str, others: &str| {
        lines
            .lines()
            .filter(|line| !others.lines().any(|other| other == *line))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        firmware == ordinary,
        "{when}\nonly with a firmware:\n{}\nonly with an ordinary container:\n{}",
        without(firmware, ordinary),
        without(ordinary, firmware)
    );
}

fn leaves_the_host_as_an_ordinary_container_does(network: Network) {
    if !engine().has_network(network) {
        println!("skipped: this engine has no network like {network:?}");
        return;
    }
    let firmware = seen_with(&Container { network, ..Container::named("one") });
    let ordinary = seen_with(&Container { network, ..Container::ordinary("one") });
    assert!(ordinary.0.contains("interface lo"), "{ordinary:?}");
    assert_same(&firmware.0, &ordinary.0, "while it runs");
    assert_same(&firmware.1, &ordinary.1, "when it is gone");
}

#[test]
fn without_a_network_it_leaves_the_host_as_any_container_does() {
    leaves_the_host_as_an_ordinary_container_does(Network::None);
}

#[test]
fn on_the_default_network_it_leaves_the_host_as_any_container_does() {
    leaves_the_host_as_an_ordinary_container_does(Network::Default);
}

#[test]
fn on_a_network_of_the_users_it_leaves_the_host_as_any_container_does() {
    leaves_the_host_as_an_ordinary_container_does(Network::User);
}

#[test]
fn with_a_published_port_it_leaves_the_host_as_any_container_does() {
    leaves_the_host_as_an_ordinary_container_does(Network::Published);
}

#[test]
fn on_the_hosts_network_it_leaves_the_host_as_any_container_does() {
    leaves_the_host_as_an_ordinary_container_does(Network::Host);
}

#[test]
fn whoever_joins_its_network_is_not_in_the_hosts() {
    for network in [Network::None, Network::Default, Network::User] {
        let engine = engine();
        if !engine.has_network(network) {
            println!("skipped: this engine has no network like {network:?}");
            continue;
        }
        engine.run(&Container { network, ..Container::named("one") }).ok();
        engine.run(&Container { network: Network::Of("one"), ..Container::ordinary("two") }).ok();
        let machine = engine.machine();
        let [host, proxy, other] =
            [1, engine.pid("one"), engine.pid("two")].map(|pid| machine.network_of(pid));
        assert_eq!(other, proxy, "{network:?}");
        assert_ne!(other, host, "{network:?}");
    }
}

#[test]
fn a_firmware_that_joins_a_network_is_in_that_one() {
    let engine = engine();
    engine.run(&Container::ordinary("one")).ok();
    engine.run(&Container { network: Network::Of("one"), ..Container::named("two") }).ok();
    let machine = engine.machine();
    let [host, ordinary, proxy] =
        [1, engine.pid("one"), engine.pid("two")].map(|pid| machine.network_of(pid));
    assert_eq!(proxy, ordinary);
    assert_ne!(proxy, host);
    engine.stop("two").ok();
    assert_eq!(engine.ended("two"), 0);
    // Whom it joined is none the worse for it.
    assert_eq!((engine.status("one"), machine.network_of(engine.pid("one"))), (Status::Running, ordinary));
}
