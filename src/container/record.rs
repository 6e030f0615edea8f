//! record.json: what create knew, written once and never changed. What a container *is* comes from elsewhere
//! ([`Status`](super::Status)).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::board::Order;
use crate::firmware::StoredFirmware;
use crate::host::Host;
use crate::json::{self, Object};
use crate::remoteproc::Identity;

/// The format that is written, and the only one that is read.
const VERSION: u32 = 1;

/// What create knew of a container.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// The format of this record.
    pub version: u32,
    /// The container's id.
    pub id: String,
    /// `ociVersion` of its config.
    pub oci_version: String,
    /// The bundle's directory, absolute.
    pub bundle: PathBuf,
    /// The root file system, absolute.
    pub rootfs: PathBuf,
    /// When create ended, RFC 3339.
    pub created: String,
    /// The user who created it.
    pub owner: u32,
    /// The config's own annotations.
    pub annotations: BTreeMap<String, String>,
    /// The root of the machine that it was created on.
    pub host_root: PathBuf,
    /// The processor; a pod's sandbox has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<Identity>,
    /// What must start before it and stop after it; nothing in older records.
    #[serde(skip_serializing_if = "Order::is_free")]
    pub order: Order,
    /// The stored firmware, below the host root; there where the processor is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firmware: Option<PathBuf>,
    /// The container's process.
    pub proxy: ProxyProcess,
    /// What `recovery` is to read for as long as the firmware runs; `None` for whatever it reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovery: Option<String>,
    /// The same of `coredump`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coredump: Option<String>,
    /// Seconds that a stop may take, 1 to 3600; `None` for the default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
}

const NAMES: [&str; 16] = [
    "version",
    "id",
    "ociVersion",
    "bundle",
    "rootfs",
    "created",
    "owner",
    "annotations",
    "hostRoot",
    "processor",
    "order",
    "firmware",
    "proxy",
    "recovery",
    "coredump",
    "stopTimeout",
];
const IDENTITY: [&str; 2] = ["name", "device"];

fn identity(object: &Object<'_>) -> json::Result<Identity> {
    Ok(Identity { name: object.required("name")?, device: object.required::<String>("device")?.into() })
}

/// Missing in records of before there was an order.
fn order(record: &Object<'_>) -> json::Result<Order> {
    let Some(object) = record.object("order", "order.", &["after", "before"])? else {
        return Ok(Order::default());
    };
    let after = object.object("after", "order.after.", &IDENTITY)?;
    let before = object.objects("before", "order.before.", &IDENTITY)?;
    Ok(Order {
        after: after.as_ref().map(identity).transpose()?,
        before: before.iter().map(identity).collect::<json::Result<_>>()?,
    })
}

/// How long a firmware has to stop where neither its container nor the board's profile says.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A proxy, told apart from every other process that has or will have its pid.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyProcess {
    /// Its pid.
    pub pid: i32,
    /// Clock ticks after boot at which it started.
    pub start_time: u64,
    /// The boot it lives in.
    pub boot_id: String,
}

impl Record {
    /// The version for a new record.
    pub const VERSION: u32 = VERSION;

    /// The machine that it was created on, whatever `--host-root` says now: engines give options for a runtime to some
    /// of its verbs only (podman's clean-up after a container's end calls without them).
    pub fn host(&self) -> Host {
        Host::known(self.host_root.clone())
    }

    /// Whether it was created in this boot: what it noted of a processor says nothing of it in another.
    ///
    /// # Errors
    /// When the boot id cannot be read.
    pub fn is_of_this_boot(&self, host: &Host) -> crate::error::Result<bool> {
        Ok(host.boot_id()? == self.proxy.boot_id)
    }

    /// How long its firmware has to stop.
    pub fn stop_timeout(&self) -> Duration {
        self.stop_timeout.map_or(STOP_TIMEOUT, |seconds| Duration::from_secs(seconds.into()))
    }

    /// The processor, and the stored firmware for it; `None` for a pod's sandbox.
    pub fn deployed(&self) -> Option<(&Identity, StoredFirmware)> {
        Some((self.processor.as_ref()?, self.stored()?))
    }

    /// The stored firmware.
    pub fn stored(&self) -> Option<StoredFirmware> {
        Some(StoredFirmware { path: self.firmware.clone()? })
    }

    /// Reads a record; the error is a sentence.
    ///
    /// # Errors
    /// When it is damaged, or of another format.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|e| format!("is damaged: {e}"))?;
        let damaged = |problem: json::Problem| format!("is damaged: {problem}");
        let object = Object::read("", text, &NAMES).map_err(damaged)?;
        let version: u32 = object.required_number("version").map_err(damaged)?;
        if version != VERSION {
            return Err(format!("has format {version}, and this version reads format {VERSION}"));
        }
        let record = Self::of(&object).map_err(damaged)?;
        if record.processor.is_some() != record.firmware.is_some() {
            // Half of it would leave a processor running, or a file behind.
            return Err("is damaged: it has a processor or a firmware alone".to_owned());
        }
        Ok(record)
    }

    fn of(object: &Object<'_>) -> json::Result<Self> {
        let text = |name| object.required::<String>(name);
        let proxy = object.required_object("proxy", "proxy.", &["pid", "startTime", "bootId"])?;
        let processor = object.object("processor", "processor.", &IDENTITY)?;
        Ok(Self {
            version: VERSION,
            id: text("id")?,
            oci_version: text("ociVersion")?,
            bundle: text("bundle")?.into(),
            rootfs: text("rootfs")?.into(),
            created: text("created")?,
            owner: object.required_number("owner")?,
            annotations: object.required("annotations")?,
            host_root: text("hostRoot")?.into(),
            processor: processor.as_ref().map(identity).transpose()?,
            order: order(object)?,
            firmware: object.optional::<String>("firmware")?.map(PathBuf::from),
            proxy: ProxyProcess {
                pid: proxy.required_number("pid")?,
                start_time: proxy.required_number("startTime")?,
                boot_id: proxy.required("bootId")?,
            },
            recovery: object.optional("recovery")?,
            coredump: object.optional("coredump")?,
            stop_timeout: object.number("stopTimeout")?,
        })
    }

    /// The record as it is written.
    pub fn to_json(&self) -> Vec<u8> {
        // Serialising strings and numbers into memory cannot fail.
        serde_json::to_vec_pretty(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            version: VERSION,
            id: "x".into(),
            oci_version: "1.2.0".into(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-11-23T22:15:00Z".into(),
            owner: 0,
            annotations: BTreeMap::from([("remoteproc.name".into(), "m4".into())]),
            host_root: "/".into(),
            processor: Some(Identity { name: "m4".into(), device: "/sys/devices/m4".into() }),
            order: Order {
                after: Some(Identity { name: "first".into(), device: "/sys/devices/first".into() }),
                before: vec![Identity { name: "last".into(), device: "/sys/devices/last".into() }],
            },
            firmware: Some("/lib/firmware/x".into()),
            proxy: ProxyProcess { pid: 7, start_time: 8, boot_id: "9".into() },
            recovery: Some("disabled".into()),
            coredump: Some("inline".into()),
            stop_timeout: Some(30),
        }
    }

    #[test]
    fn a_record_of_before_there_were_settings_is_read() {
        let mut json: serde_json::Value = serde_json::from_slice(&record().to_json()).unwrap();
        let fields = json.as_object_mut().unwrap();
        for new in ["recovery", "coredump", "stopTimeout"] {
            assert!(fields.remove(new).is_some());
        }
        let read = Record::parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(read, Record { recovery: None, coredump: None, stop_timeout: None, ..record() });
        assert_eq!((read.stop_timeout(), record().stop_timeout()), (STOP_TIMEOUT, Duration::from_secs(30)));
    }

    #[test]
    fn a_record_comes_back_as_it_was_written() {
        let sandbox = Record { processor: None, firmware: None, ..record() };
        for record in [record(), sandbox] {
            assert_eq!(Record::parse(&record.to_json()), Ok(record));
        }
        assert!(record().deployed().is_some());
    }

    #[test]
    fn damage_is_an_error() {
        let json = record().to_json();
        for length in 0..json.len() {
            assert!(Record::parse(&json[..length]).unwrap_err().contains("damaged"));
        }
        for half in [Record { processor: None, ..record() }, Record { firmware: None, ..record() }] {
            assert!(Record::parse(&half.to_json()).unwrap_err().contains("damaged"));
        }
        let other = Record { version: 2, ..record() };
        assert!(Record::parse(&other.to_json()).unwrap_err().contains("format 2"));
    }
}
