//! Files to import, in every format: each record is known by its line, has interactions with ids or
//! says what is wrong, and reading can begin at any of them.

#![no_main]

use interactions::fuzzing::{FileRecord, file_formats, read_file};
use libfuzzer_sys::fuzz_target;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fuzz_target!(|content: &[u8]| {
    for format in file_formats() {
        let mut records = read_file(&format, content, 1);
        let mut before = 0;
        for FileRecord { line, parsed } in &records {
            assert!(*line > before, "{format}: line {line} after {before}");
            before = *line;
            for interaction in parsed {
                match interaction {
                    Ok(interaction) => assert!(!interaction.interaction_id.is_empty()),
                    Err(violations) => assert!(!violations.is_empty()),
                }
            }
        }
        if !content.starts_with(&GZIP_MAGIC) {
            let lines = content.split(|byte| matches!(byte, b'\n' | b'\r')).count() as u64;
            assert!(before <= lines, "{format}: line {before} of {lines}");
        }
        let middle = records.get(records.len() / 2).map_or(1, |record| record.line);
        records.retain(|record| record.line >= middle);
        assert_eq!(read_file(&format, content, middle), records, "{format}: from line {middle}");
    }
});
