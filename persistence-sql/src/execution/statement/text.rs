//! The text of the statement: only the parts that a wave needs, so that there are a few shapes to prepare and none carries what it
//! does not use. `$1` is the shard, `$2` the range id of the fenced plans; each `?` is the next column of [`super::WaveRows::lists`].

use super::super::rows::{Rows, WaveRows, action};
use super::parts::*;
use crate::rendered::Rendered;
use crate::value::Value;
use std::fmt::Write;
use std::sync::Arc;

/// What a wave needs of the statement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub fenced: bool,
    pub currents: bool,
    pub put_current: bool,
    pub delete_current: bool,
    pub runs: bool,
    pub create_run: bool,
    pub put_run: bool,
    pub delete_run: bool,
    pub clear_items: bool,
    pub delete_items: bool,
    pub put_items: bool,
    pub tasks: bool,
    pub nodes: bool,
    pub branches: bool,
}

/// Where the action is in the rows of current records and of runs.
const CURRENT_ACTION: usize = 7;
const RUN_ACTION: usize = 4;

impl Shape {
    pub(super) fn of(rows: &WaveRows, fenced: bool) -> Self {
        let does =
            |rows: &Rows, at: usize, what: i64| rows.iter().any(|r| r.get(at) == Some(&Value::Int(what)));
        let current = |what| does(&rows.currents, CURRENT_ACTION, what);
        let run = |what| does(&rows.runs, RUN_ACTION, what);
        Shape {
            fenced,
            currents: !rows.currents.is_empty(),
            put_current: current(action::CREATE) || current(action::PUT),
            delete_current: current(action::DELETE),
            runs: !rows.runs.is_empty(),
            create_run: run(action::CREATE),
            put_run: run(action::PUT),
            delete_run: run(action::DELETE),
            clear_items: !rows.clears.is_empty(),
            delete_items: !rows.delete_items.is_empty(),
            put_items: !rows.put_items.is_empty(),
            tasks: !rows.tasks.is_empty(),
            nodes: !rows.nodes.is_empty(),
            branches: !rows.branches.is_empty(),
        }
    }

    /// Which of [`WaveRows::lists`] are sent.
    pub(super) fn sends(self) -> [bool; 9] {
        [
            true,
            self.currents,
            self.runs,
            self.clear_items,
            self.delete_items,
            // A clear spares what is put.
            self.put_items || self.clear_items,
            self.tasks,
            self.nodes,
            self.branches,
        ]
    }

    /// The statement.
    pub(super) fn text(self) -> Arc<str> {
        static RENDERED: Rendered<Shape> = Rendered::new();
        RENDERED.get(self, |shape| shape.render())
    }

    fn render(self) -> String {
        let mut parts: Vec<&str> = vec![PLANS];
        let mut add = |wanted: bool, part: &'static str| parts.extend(wanted.then_some(part));
        add(self.currents, CURRENTS);
        add(self.runs, RUNS);
        add(self.clear_items, CLEARS);
        add(self.delete_items, DELETES);
        add(self.put_items || self.clear_items, PUTS);
        add(self.fenced, LOCK_SHARD);
        add(self.currents, if self.delete_current { LOCK_CURRENTS_THAT_STAYED } else { LOCK_CURRENTS });
        let found_in_snapshot = self.delete_run || self.clear_items || self.delete_items;
        add(self.runs, if found_in_snapshot { LOCK_RUNS_THAT_STAYED } else { LOCK_RUNS });
        add(true, VERDICTS);
        add(self.put_current, PUT_CURRENT);
        add(self.delete_current, DELETE_CURRENT);
        add(self.create_run, CREATE_RUN);
        add(self.put_run, PUT_RUN);
        add(self.delete_run, DELETE_RUN);
        add(self.clear_items, CLEAR_ITEMS);
        add(self.delete_items, DELETE_ITEMS);
        add(self.put_items, PUT_ITEMS);
        add(self.tasks, PUT_TASKS);
        add(self.nodes, PUT_NODES);
        add(self.branches, PUT_BRANCHES);
        let mut text = format!("WITH\n{}\n{}", parts.join(",\n"), REFUSED);
        for (wanted, part) in
            [(self.fenced, FOUND_SHARD), (self.currents, FOUND_CURRENTS), (self.runs, FOUND_RUNS)]
        {
            if wanted {
                text.push_str(part);
            }
        }
        let locked = |wanted: bool, locks: &'static str| if wanted { locks } else { "true" };
        let text = text
            .replace("{shard locked}", locked(self.fenced, "(SELECT count(*) FROM s) >= 0"))
            .replace(
                "{currents locked}",
                match (self.currents, self.fenced) {
                    (true, _) => "(SELECT count(*) FROM lc) >= 0",
                    (false, fenced) => locked(fenced, "(SELECT count(*) FROM s) >= 0"),
                },
            )
            .replace("{shard holds}", locked(self.fenced, SHARD_HOLDS))
            .replace("{currents hold}", locked(self.currents, CURRENTS_HOLD))
            .replace("{runs hold}", locked(self.runs, RUNS_HOLD));
        numbered(&text)
    }
}

/// With `$3`, `$4`, … for each `?`.
fn numbered(text: &str) -> String {
    let mut parts = text.split('?');
    let mut out = String::with_capacity(text.len() + 256);
    out.push_str(parts.next().unwrap_or_default());
    for (n, part) in (3..).zip(parts) {
        let _ = write!(out, "${n}{part}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERYTHING: Shape = Shape {
        fenced: true,
        currents: true,
        put_current: true,
        delete_current: true,
        runs: true,
        create_run: true,
        put_run: true,
        delete_run: true,
        clear_items: true,
        delete_items: true,
        put_items: true,
        tasks: true,
        nodes: true,
        branches: true,
    };

    #[test]
    fn every_column_of_every_list_has_a_parameter() {
        let columns: usize = WaveRows::default().lists().iter().map(|(kinds, _)| kinds.len()).sum();
        let text = EVERYTHING.render();
        assert!(text.contains(&format!("${}::", columns + 2)), "{text}");
        assert!(!text.contains(&format!("${}", columns + 3)), "{text}");
    }

    #[test]
    fn a_shape_has_no_parameters_that_are_not_sent() {
        let tasks = Shape { fenced: true, tasks: true, ..Shape::default() };
        let text = tasks.render();
        let columns: usize = tasks
            .sends()
            .iter()
            .zip(WaveRows::default().lists())
            .filter(|(s, _)| **s)
            .map(|(_, (k, _))| k.len())
            .sum();
        assert_eq!(columns, 7);
        assert!(text.contains("$9::bytea[]") && !text.contains("$10"), "{text}");
        assert!(!text.contains('{') && !text.contains('?'), "{text}");
        assert!(!EVERYTHING.render().contains('{'));
    }
}
