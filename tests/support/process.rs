//! What the system knows of a process, from `/proc`.

use std::fs;

/// Units of processor time in a second.
pub const TICKS: u64 = 100;

/// Its memory that is resident, in KiB.
pub fn resident_memory(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// The most of it that was ever resident, in KiB.
pub fn peak_memory(id: u32) -> u64 {
    status(id, "VmHWM:")
}

fn status(id: u32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What it has spent of all processors, in [`TICKS`].
pub fn processor_time(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The second field may hold anything, in parentheses; user and system time are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
}

/// How many descriptors it has open.
pub fn descriptors(id: u32) -> usize {
    fs::read_dir(format!("/proc/{id}/fd")).unwrap().count()
}
