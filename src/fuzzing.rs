//! The one door for fuzz targets to what is private. It is there only with `--cfg fuzzing`.

pub use crate::cli::import::fuzzing::{FileRecord, file_formats, read_file};
pub use crate::grpc::fuzzing::{
    Checked, check_requests, json_number, key_place, key_token, namespace_name, namespace_token,
    position, position_token, stored_interaction,
};
pub use crate::repository::fuzzing::{postgres_regex, unconnected};
