//! The interactions of the demo: events of the search page of the Chorus demo shop.
//! `examples/data/NOTICE.md` names their source and licence.

use anyhow::bail;

use super::json::JsonForm;
use super::lines::{Line, Lines};
use crate::grpc::proto;

/// JSON Lines, compressed with gzip.
const CHORUS: &[u8] = include_bytes!("../../examples/data/chorus-demo.jsonl.gz");

/// The interactions, in the order of the file; 1,959 of them.
///
/// # Errors
/// When the program was built with damaged data. The items fail for the same reason only.
pub(super) fn interactions()
-> anyhow::Result<impl Iterator<Item = anyhow::Result<proto::Interaction>> + Send> {
    let mut lines = Lines::new(CHORUS)?;
    let form = JsonForm::new()?;
    Ok(std::iter::from_fn(move || next(&mut lines, &form).transpose()))
}

fn next(lines: &mut Lines, form: &JsonForm) -> anyhow::Result<Option<proto::Interaction>> {
    match lines.next_line()? {
        None => Ok(None),
        Some((number, Line::TooLong)) => bail!("line {number} of the demo data is too long"),
        Some((number, Line::Whole(json))) => match form.parse_interaction(json) {
            Ok(interaction) => Ok(Some(interaction)),
            Err(faults) => bail!("line {number} of the demo data is broken: {faults:?}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_data_is_whole() {
        let interactions: Vec<_> = interactions().unwrap().map(Result::unwrap).collect();
        let ids: BTreeSet<_> = interactions.iter().map(|item| &item.interaction_id).collect();
        assert_eq!((interactions.len(), ids.len()), (1_959, 1_959));
    }
}
