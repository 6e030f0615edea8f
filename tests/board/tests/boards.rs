//! The boards of each family, and the device tree.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to stop at that line")]

mod common;

use std::collections::HashSet;
use std::fs;

use common::{Bench, errno, firmware};
use simulated_board::{BoardSpec, FirmwareBuilder, ProcessorSpec};

const TREE: &str = "sys/firmware/devicetree/base";

impl Bench {
    fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path).path()).unwrap()
    }

    /// The errno of a start of remoteproc`index` with `len` bytes at `address`.
    fn start_at(&self, index: u32, address: u64, len: usize) -> i32 {
        let image = FirmwareBuilder::new().wide().segment(address, &vec![0; len]).resource_table();
        self.install("at.elf", &image.build());
        let file = |name: &str| self.path(&format!("sys/class/remoteproc/remoteproc{index}/{name}"));
        file("firmware").write("at.elf").unwrap();
        let errno = file("state").errno("start");
        if errno == 0 {
            file("state").write("stop").unwrap();
        }
        errno
    }
}

#[test]
fn every_family_that_a_profile_describes_has_a_board() {
    let profiles = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../boards");
    let files =
        fs::read_dir(profiles).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut described: Vec<String> =
        files.filter_map(|file| Some(file.strip_suffix(".toml")?.to_owned())).collect();
    described.sort();
    let families: Vec<&str> = BoardSpec::all().into_iter().map(|(family, _)| family).collect();
    assert_eq!(described, families);
}

#[test]
fn the_device_tree_is_at_both_of_its_places() {
    let bench = Bench::stm32mp15();
    let resolved = |path: &str| fs::canonicalize(bench.path(path).path()).unwrap();
    assert_eq!(resolved("proc/device-tree"), resolved(TREE));
    assert_eq!(bench.bytes("proc/device-tree/#address-cells"), [0, 0, 0, 1]);
    assert_eq!(bench.bytes("proc/device-tree/name"), b"\0");
    let reserved = "proc/device-tree/reserved-memory";
    assert_eq!(bench.bytes(&format!("{reserved}/#address-cells")), [0, 0, 0, 1]);
    assert_eq!(bench.bytes(&format!("{reserved}/#size-cells")), [0, 0, 0, 1]);
    assert_eq!(bench.bytes(&format!("{reserved}/ranges")), b"");
    assert_eq!(bench.bytes(&format!("{reserved}/retram@38000000/reg")), [0x38, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(bench.bytes(&format!("{reserved}/retram@38000000/name")), b"retram\0");
    assert_eq!(bench.bytes(&format!("{reserved}/retram@38000000/no-map")), b"");
}

#[test]
fn a_device_leads_to_its_node_and_that_to_its_memory() {
    let bench = Bench::new(BoardSpec::am64x());
    let node = bench.path("sys/class/remoteproc/remoteproc1/device/of_node");
    assert_eq!(node.link(), "../../../../../firmware/devicetree/base/bus@f4000/r5fss@78000000/r5f@78200000");
    assert_eq!(
        fs::canonicalize(node.path()).unwrap(),
        fs::canonicalize(bench.path(&format!("{TREE}/bus@f4000/r5fss@78000000/r5f@78200000")).path())
            .unwrap()
    );
    assert_eq!(bench.bytes("sys/class/remoteproc/remoteproc1/device/of_node/compatible"), b"ti,am64-r5f\0");
    assert_eq!(bench.bytes("sys/class/remoteproc/remoteproc1/device/of_node/name"), b"r5f\0");

    let phandles = bench.bytes("sys/class/remoteproc/remoteproc1/device/of_node/memory-region");
    let of = |region: &str| bench.bytes(&format!("{TREE}/reserved-memory/{region}/phandle"));
    assert_eq!(phandles, [of("r5f-dma-memory@a1000000"), of("r5f-memory@a1100000")].concat());
    assert_eq!(
        bench.bytes(&format!("{TREE}/reserved-memory/r5f-memory@a1100000/reg")),
        [0, 0, 0, 0, 0xa1, 0x10, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0]
    );
    let uevent = bench.path("sys/class/remoteproc/remoteproc1/device/uevent").read().unwrap();
    assert_eq!(
        uevent,
        "DRIVER=k3_r5_rproc\nOF_NAME=r5f\nOF_FULLNAME=/bus@f4000/r5fss@78000000/r5f@78200000\n\
         OF_COMPATIBLE_0=ti,am64-r5f\nOF_COMPATIBLE_N=1\n"
    );
}

#[test]
fn processors_that_share_memory_share_its_node() {
    let bench = Bench::new(BoardSpec::imx8qm());
    let regions = [0, 1]
        .map(|n| bench.bytes(&format!("sys/class/remoteproc/remoteproc{n}/device/of_node/memory-region")));
    assert_eq!(regions[0][..4], regions[1][..4]);
    assert_ne!(regions[0][4..8], regions[1][4..8]);
}

#[test]
fn without_reserved_memory_there_is_no_node_for_it() {
    let bench = Bench::new(BoardSpec::new("Bare", &["test,bare"]).processor(ProcessorSpec::new("m4", "m4")));
    assert!(!bench.path(&format!("{TREE}/reserved-memory")).exists());
    assert_eq!(bench.m4("device/of_node").link(), "../../../firmware/devicetree/base/m4");
    assert!(!bench.m4("device/of_node/memory-region").exists());
    bench.m4("firmware").write("good.elf").unwrap();
    assert_eq!(bench.m4("state").errno("start"), 0);
}

#[test]
fn the_loader_obeys_what_is_reserved() {
    let bench = Bench::stm32mp15();
    assert_eq!(bench.start_at(0, 0x0, 0x1_0000), 0, "retram");
    assert_eq!(bench.start_at(0, 0x1003_0000, 0x1_0000), 0, "to the end of mcuram2");
    assert_eq!(bench.start_at(0, 0x1003_0001, 0x1_0000), libc::EINVAL);
    assert_eq!(bench.start_at(0, 0x1005_0000, 0x10), libc::EINVAL, "mcuram that nobody reserved");
    assert_eq!(bench.start_at(0, 0x3800_0000, 0x10), libc::EINVAL, "the system's address of retram");
    bench.await_line("bad phdr da 0x38000000 mem 0x10");

    let bench = Bench::new(BoardSpec::am64x());
    assert_eq!(bench.start_at(0, 0x7800_0000, 0x10), 0, "the system's address");
    assert_eq!(bench.start_at(0, 0xa010_0000, 0x10), 0);
    assert_eq!(bench.start_at(0, 0xa000_0000, 0x10), libc::EINVAL, "messages");
    assert_eq!(bench.start_at(0, 0xa110_0000, 0x10), libc::EINVAL, "another core's");
}

#[test]
fn imx_translates_and_refuses_full_windows() {
    let bench = Bench::new(BoardSpec::imx8mq());
    assert_eq!(bench.start_at(0, 0x1ffe_0000, 0x3_fffc), 0);
    assert_eq!(bench.start_at(0, 0x1ffe_0000, 0x4_0000), libc::EINVAL, "full");
    assert_eq!(bench.start_at(0, 0x0, 0x1_fffc), 0, "an alias");
    assert_eq!(bench.start_at(0, 0x0, 0x2_0000), libc::EINVAL, "full");
    assert_eq!(bench.start_at(0, 0x8000_0000, 0x10), 0, "reserved");
    assert_eq!(bench.start_at(0, 0x8100_0000, 0x10), libc::EINVAL, "not reserved");
    assert_eq!(bench.start_at(0, 0x0090_0000, 0x10), 0, "OCRAM, mapped for its alias");
    assert_eq!(bench.start_at(0, 0x0800_0000, 0x10), libc::EINVAL, "flash, mapped by nobody");
}

#[test]
fn two_imx_cores_share_a_name_until_the_kernel_takes_the_nodes() {
    let names = |spec: BoardSpec| {
        let bench = Bench::new(spec);
        [0, 1, 2].map(|n| bench.path(&format!("sys/class/remoteproc/remoteproc{n}/name")).word())
    };
    assert_eq!(names(BoardSpec::imx8qm()), ["imx-rproc", "imx-rproc", "imx-dsp-rproc"]);
    assert_eq!(
        names(BoardSpec::imx8qm().node_names(true)),
        ["imx8qm-cm4-0", "imx8qm-cm4-1", "imx-dsp-rproc"]
    );
    let bench = Bench::new(BoardSpec::imx8qm());
    assert_eq!(bench.path("sys/class/remoteproc/remoteproc1/device").link(), "../../../imx8qm-cm4-1");
}

#[test]
fn every_family_comes_up_with_a_tree() {
    let all = BoardSpec::all();
    let names: HashSet<_> = all.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), all.len());
    for (family, spec) in all {
        let bench = Bench::new(spec);
        let processors: Vec<_> =
            fs::read_dir(bench.path("sys/class/remoteproc").path()).unwrap().map(Result::unwrap).collect();
        assert!(!processors.is_empty(), "{family}");
        for processor in processors {
            let device = processor.path().join("device");
            let regions = fs::read(device.join("of_node/memory-region")).unwrap_or_default();
            assert!(
                fs::read_to_string(device.join("of_node/compatible")).unwrap().ends_with('\0'),
                "{family}"
            );
            assert_eq!(regions.len() % 4, 0, "{family}");
        }
    }
}

#[test]
fn attributes_may_be_read_only_even_to_root() {
    let spec =
        BoardSpec::new("Fixed", &["test,fixed"]).processor(ProcessorSpec::new("pru", "pru").read_only(true));
    let bench = Bench::new(spec);
    for (name, value) in
        [("state", "start"), ("firmware", "a"), ("recovery", "enabled"), ("coredump", "enabled")]
    {
        assert_eq!(errno(bench.m4(name).write(value)), libc::EACCES, "{name}");
    }
    assert_eq!(bench.m4("state").word(), "offline");
    bench.install("rproc-pru-fw", &firmware().build());
    bench.debug("recovery").write("disabled").unwrap();
    assert_eq!(bench.m4("recovery").word(), "disabled");
}

#[test]
fn a_kernel_may_lack_what_a_doctor_looks_for() {
    let bench = Bench::new(BoardSpec::stm32mp15().without_debugfs());
    assert_eq!(fs::read_dir(bench.path("sys/kernel/debug").path()).unwrap().count(), 0);
    bench.install("trace.elf", &firmware().segment(0x1000_0000, b"x").trace(0x1000_0000, 8).build());
    bench.m4("firmware").write("trace.elf").unwrap();
    bench.m4("state").write("start").unwrap();
    bench.control("crash-now").write("1").unwrap();
    bench.await_line("handling crash #1 in m4");
    bench.control("plug").write("out").unwrap();
    assert_eq!(fs::read_dir(bench.path("sys/kernel/debug").path()).unwrap().count(), 0);

    let bench = Bench::new(BoardSpec::stm32mp15().without_remoteproc());
    assert!(!bench.path("sys/class/remoteproc").exists());
    assert!(!bench.path("sys/kernel/debug/remoteproc").exists());
    assert!(bench.path("sys/devices/platform/soc/10000000.m4/of_node").exists());
    assert_eq!(bench.control("plug").errno("in"), libc::ENODEV);
    bench.path("board/reboot").write("now").unwrap();
    assert!(!bench.path("sys/class/remoteproc").exists());

    let bench = Bench::new(BoardSpec::stm32mp15().without_firmware_class_path());
    assert!(!bench.path("sys/module/firmware_class/parameters/path").exists());
    bench.m4("firmware").write("good.elf").unwrap();
    assert_eq!(bench.m4("state").errno("start"), 0);
}

#[test]
fn each_family_has_its_processors() {
    let listed = |spec: BoardSpec| {
        let bench = Bench::new(spec);
        let count = fs::read_dir(bench.path("sys/class/remoteproc").path()).unwrap().count();
        let name = |index: usize| {
            let name = bench.path(&format!("sys/class/remoteproc/remoteproc{index}/name")).word();
            let firmware = bench.path(&format!("sys/class/remoteproc/remoteproc{index}/firmware")).word();
            format!("{name} {firmware}")
        };
        (0..count).map(name).collect::<Vec<_>>()
    };
    assert_eq!(
        listed(BoardSpec::am62x()),
        ["78000000.r5f am62-wkup-r5f0_0-fw", "5000000.m4fss am62-mcu-m4f0_0-fw"]
    );
    assert_eq!(
        listed(BoardSpec::am62a()),
        [
            "78000000.r5f am62a-wkup-r5f0_0-fw",
            "79000000.r5f am62a-mcu-r5f0_0-fw",
            "7e000000.dsp am62a-c71_0-fw"
        ]
    );
    assert_eq!(
        listed(BoardSpec::am64x()),
        [
            "78000000.r5f am64-main-r5f0_0-fw",
            "78200000.r5f am64-main-r5f0_1-fw",
            "78400000.r5f am64-main-r5f1_0-fw",
            "78600000.r5f am64-main-r5f1_1-fw",
            "5000000.m4fss am64-mcu-m4f0_0-fw"
        ]
    );
    assert_eq!(
        listed(BoardSpec::j721e())[4..],
        [
            "5e00000.r5f j7-main-r5f1_0-fw",
            "5f00000.r5f j7-main-r5f1_1-fw",
            "4d80800000.dsp j7-c66_0-fw",
            "4d81800000.dsp j7-c66_1-fw",
            "64800000.dsp j7-c71_0-fw"
        ]
    );
    assert_eq!(
        listed(BoardSpec::j784s4())[6..],
        [
            "5900000.r5f j784s4-main-r5f2_0-fw",
            "5a00000.r5f j784s4-main-r5f2_1-fw",
            "64800000.dsp j784s4-c71_0-fw",
            "65800000.dsp j784s4-c71_1-fw",
            "66800000.dsp j784s4-c71_2-fw",
            "67800000.dsp j784s4-c71_3-fw"
        ]
    );
    assert_eq!(
        listed(BoardSpec::imx8mp()),
        ["imx-rproc rproc-imx-rproc-fw", "imx-dsp-rproc imx/dsp/hifi4.bin"]
    );
    assert_eq!(listed(BoardSpec::imx93().node_names(true)), ["remoteproc-cm33 rproc-remoteproc-cm33-fw"]);
    assert_eq!(listed(BoardSpec::stm32mp25()), ["m33 rproc-m33-fw"]);
    assert_eq!(listed(BoardSpec::zynqmp())[1], "ffe90000.r5f rproc-ffe90000.r5f-fw");
}

#[test]
fn what_each_kind_of_processor_can_be_loaded_with() {
    let loads = |spec: BoardSpec, index: u32, cases: &[(u64, usize, i32)]| {
        let bench = Bench::new(spec);
        for &(address, len, errno) in cases {
            assert_eq!(bench.start_at(index, address, len), errno, "{address:#x} {len:#x}");
        }
    };
    let refused = libc::EINVAL;
    // The first core of J721S2's clusters has half of its memory in split mode.
    loads(BoardSpec::j721s2(), 0, &[(0, 0x8000, 0), (0, 0x8001, refused), (0x4101_0000, 0x8000, 0)]);
    loads(BoardSpec::j721e(), 6, &[(0x80_0000, 0x4_8000, 0), (0xa610_0000, 8, 0), (0xa600_0000, 8, refused)]);
    loads(
        BoardSpec::j721e(),
        7,
        &[(0x4d_81f0_0000, 0x8000, 0), (0xa710_0000, 8, 0), (0xa610_0000, 8, refused)],
    );
    loads(
        BoardSpec::am62x(),
        1,
        &[(0x3_0000, 0x1_0000, 0), (0x9cc0_0000, 0x1000, 0), (0x9cb0_0000, 8, refused)],
    );
    // A DSP's driver takes a full window.
    loads(
        BoardSpec::imx8mp(),
        1,
        &[(0x3b6e_8000, 0x8000, 0), (0x9240_0000, 8, 0), (0x942f_0000, 8, refused)],
    );
    // Where Linux has DDR elsewhere than the DSP.
    loads(BoardSpec::imx8ulp(), 1, &[(0x1a00_0000, 8, 0), (0x8e00_0000, 8, refused)]);
    loads(BoardSpec::imx8qm(), 1, &[(0x1ffe_0000, 0x1_fffc, 0), (0x34fe_0000, 8, refused)]);
    loads(BoardSpec::imx93(), 0, &[(0x0ffc_0000, 8, 0), (0x1ffc_0000, 8, 0), (0x8000_0000, 8, refused)]);
    loads(
        BoardSpec::zynqmp(),
        1,
        &[(0x2_0000, 0x1_0000, 0), (0x3ef0_0000, 0x4_0000, 0), (0x3ed0_0000, 8, refused)],
    );
    loads(BoardSpec::stm32mp25(), 0, &[(0x8010_0000, 0x1000, 0), (0x8090_0000, 8, refused)]);
}
