//! Operations as they are drawn: small numbers, so that a sequence collides with itself, shrinks, and can be read.

use proptest::collection::vec;
use proptest::prelude::*;

/// A run: of few shards, workflow ids, kinds and runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) shard: usize,
    pub(super) workflow: usize,
    pub(super) kind: u32,
    pub(super) run: usize,
}

/// Which version or range id a write names: the stored one, one less, one more.
pub(super) type Off = i64;

/// What an optional fence says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fence {
    None,
    Own,
    Stale,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    Current,
    Bypass,
    Ignore,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    Running,
    Completed,
    Zombie,
    Created,
}

/// Where a node is appended.
#[derive(Clone, Copy, Debug)]
pub(super) enum At {
    /// After the last live one.
    End,
    /// Beside the last live one.
    Beside,
    /// Below the branch's beginning, if it has an ancestor.
    Below,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Forward,
    Headers,
    Backward,
}

/// A task of a task queue: subqueue, pass, id, life in seconds.
pub(super) type Queued = (i32, i64, i64, Option<i64>);

#[derive(Clone, Debug)]
pub(super) enum Op {
    OpenShard(usize),
    ReadShard(usize),
    TakeShard(usize, Off, i64),
    AssertShard(usize, Off),
    Create {
        at: Run,
        fence: Off,
        brand_new: bool,
        previous: Off,
        bypass: bool,
        state: State,
        node: bool,
    },
    Update {
        at: Run,
        fence: Off,
        mode: Mode,
        version: Off,
        state: State,
        new: Option<usize>,
        items: i64,
        node: bool,
    },
    Resolve {
        at: Run,
        fence: Off,
        bypass: bool,
        version: Off,
        state: State,
        current: Option<usize>,
        new: Option<usize>,
    },
    Set {
        at: Run,
        fence: Off,
        version: Off,
        state: State,
    },
    DeleteRun(Run, Fence),
    DeleteCurrent(Run, Fence),
    Group(Vec<Op>),
    Load(Run),
    LoadCurrent(Run),
    ListRuns(usize, u32),
    AddTasks(usize, Off, Vec<(bool, i64)>),
    ReadTasks(usize, bool, i64, i64, u32),
    CompleteTask(usize, Fence, bool, i64),
    CompleteRange(usize, Fence, bool, i64, i64),
    Append(Run, usize, At, i64),
    Read(Run, usize, Way, i64, i64, u32),
    Fork(Run, usize, i64, usize),
    DeleteBranch(Run, usize, Fence),
    Trim(Run, usize, usize, i64),
    ListTree(Run),
    CreateTaskQueue(usize, i64, Option<i64>),
    GetTaskQueue(usize),
    UpdateTaskQueue(usize, Off, i64, Option<i64>),
    DeleteTaskQueue(usize, Off),
    AddQueued(usize, Off, Vec<Queued>, bool),
    ReadQueued(usize, i32, (i64, i64), Option<(i64, i64)>, u32),
    CompleteQueued(usize, i32, (i64, i64), Option<u32>),
    CreateQueue(usize),
    Enqueue(usize, usize),
    ReadQueue(usize, Option<i64>, u32),
    Ack(usize, usize, i64),
    Acks(usize),
    DeleteMessages(usize, i64),
    Scavenge(u32),
    Sweep(u32),
    Wait(i64),
    Reopen,
}

fn run() -> impl Strategy<Value = Run> {
    let small = (0..2usize, 0..2usize, prop_oneof![9 => Just(1u32), 1 => Just(2)], 0..3usize);
    small.prop_map(|(shard, workflow, kind, run)| Run { shard, workflow, kind, run })
}

/// Mostly right.
fn off() -> impl Strategy<Value = Off> {
    prop_oneof![8 => Just(0i64), 1 => Just(-1), 1 => Just(1)]
}

fn fence() -> impl Strategy<Value = Fence> {
    prop_oneof![1 => Just(Fence::None), 2 => Just(Fence::Own), 1 => Just(Fence::Stale)]
}

fn mode() -> impl Strategy<Value = Mode> {
    prop_oneof![4 => Just(Mode::Current), 1 => Just(Mode::Bypass), 1 => Just(Mode::Ignore)]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![4 => Just(State::Running), 4 => Just(State::Completed), 1 => Just(State::Zombie), 1 => Just(State::Created)]
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    some: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Option<T>> {
    prop_oneof![2 => Just(None).boxed(), 1 => some.prop_map(Some).boxed()].boxed()
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![1..4u32, Just(100)]
}

fn life() -> impl Strategy<Value = Option<i64>> {
    maybe(prop_oneof![-1..3i64, Just(1000)])
}

fn create() -> impl Strategy<Value = Op> {
    let how = (any::<bool>(), off(), prop_oneof![3 => Just(false), 1 => Just(true)]);
    (run(), off(), how, state(), any::<bool>()).prop_map(
        |(at, fence, (brand_new, previous, bypass), state, node)| Op::Create {
            at,
            fence,
            brand_new,
            previous,
            bypass,
            state,
            node,
        },
    )
}

fn update() -> impl Strategy<Value = Op> {
    (run(), off(), mode(), off(), state(), maybe(0..3usize), 0..16i64, any::<bool>()).prop_map(
        |(at, fence, mode, version, state, new, items, node)| Op::Update {
            at,
            fence,
            mode,
            version,
            state,
            new,
            items,
            node,
        },
    )
}

fn set() -> impl Strategy<Value = Op> {
    (run(), off(), off(), state()).prop_map(|(at, fence, version, state)| Op::Set {
        at,
        fence,
        version,
        state,
    })
}

fn tasks() -> impl Strategy<Value = Vec<(bool, i64)>> {
    vec((any::<bool>(), 1..9i64), 0..4)
}

fn executions() -> impl Strategy<Value = Op> {
    let resolve = (run(), off(), any::<bool>(), off(), state(), maybe(0..3usize), maybe(0..3usize)).prop_map(
        |(at, fence, bypass, version, state, current, new)| Op::Resolve {
            at,
            fence,
            bypass,
            version,
            state,
            current,
            new,
        },
    );
    let add = || (0..2usize, off(), tasks()).prop_map(|(s, f, t)| Op::AddTasks(s, f, t));
    let planned = prop_oneof![
        3 => update(),
        2 => create(),
        1 => set(),
        1 => add(),
        1 => (run(), fence()).prop_map(|(r, f)| Op::DeleteRun(r, f)),
    ];
    prop_oneof![
        6 => create(),
        8 => update(),
        2 => resolve,
        2 => set(),
        1 => (run(), fence()).prop_map(|(r, f)| Op::DeleteRun(r, f)),
        1 => (run(), fence()).prop_map(|(r, f)| Op::DeleteCurrent(r, f)),
        3 => vec(planned, 1..5).prop_map(Op::Group),
        2 => run().prop_map(Op::Load),
        1 => run().prop_map(Op::LoadCurrent),
        1 => (0..2usize, size()).prop_map(|(s, n)| Op::ListRuns(s, n)),
        2 => add(),
        2 => (0..2usize, any::<bool>(), 0..9i64, 0..10i64, size()).prop_map(|(s, i, a, b, n)| Op::ReadTasks(s, i, a, b, n)),
        1 => (0..2usize, fence(), any::<bool>(), 1..9i64).prop_map(|(s, f, i, k)| Op::CompleteTask(s, f, i, k)),
        1 => (0..2usize, fence(), any::<bool>(), 0..9i64, 0..10i64).prop_map(|(s, f, i, a, b)| Op::CompleteRange(s, f, i, a, b)),
    ]
}

fn histories() -> impl Strategy<Value = Op> {
    let at = prop_oneof![5 => Just(At::End), 2 => Just(At::Beside), 1 => Just(At::Below)];
    let way = prop_oneof![Just(Way::Forward), Just(Way::Headers), Just(Way::Backward)];
    prop_oneof![
        5 => (run(), 0..3usize, at, 1..4i64).prop_map(|(r, b, at, n)| Op::Append(r, b, at, n)),
        4 => (run(), 0..3usize, way, 0..8i64, 0..12i64, size()).prop_map(|(r, b, w, min, max, n)| Op::Read(r, b, w, min, max, n)),
        3 => (run(), 0..3usize, 0..9i64, 1..3usize).prop_map(|(r, b, at, to)| Op::Fork(r, b, at, to)),
        1 => (run(), 0..3usize, fence()).prop_map(|(r, b, f)| Op::DeleteBranch(r, b, f)),
        1 => (run(), 0..3usize, 0..4usize, -1..2i64).prop_map(|(r, b, i, off)| Op::Trim(r, b, i, off)),
        1 => run().prop_map(Op::ListTree),
    ]
}

fn position() -> impl Strategy<Value = (i64, i64)> {
    (prop_oneof![3 => Just(0i64), 1 => 1..3i64], 0..8i64)
}

fn queues() -> impl Strategy<Value = Op> {
    let sub = || prop_oneof![3 => Just(0i32), 1 => Just(1)];
    let queued = (sub(), position(), life()).prop_map(|(s, (pass, id), life)| (s, pass, id, life));
    let limit = prop_oneof![1 => Just(None), 2 => (1..4u32).prop_map(Some)];
    let fifo = || prop_oneof![4 => Just(0usize), 1 => Just(1), 1 => Just(2)];
    prop_oneof![
        3 => (0..2usize, 0..3i64, life()).prop_map(|(q, r, l)| Op::CreateTaskQueue(q, r, l)),
        1 => (0..2usize).prop_map(Op::GetTaskQueue),
        2 => (0..2usize, off(), -1..3i64, life()).prop_map(|(q, o, by, l)| Op::UpdateTaskQueue(q, o, by, l)),
        1 => (0..2usize, off()).prop_map(|(q, o)| Op::DeleteTaskQueue(q, o)),
        4 => (0..2usize, off(), vec(queued, 0..5), any::<bool>()).prop_map(|(q, o, t, i)| Op::AddQueued(q, o, t, i)),
        3 => (0..2usize, sub(), position(), maybe(position()), size()).prop_map(|(q, s, a, b, n)| Op::ReadQueued(q, s, a, b, n)),
        2 => (0..2usize, sub(), position(), limit).prop_map(|(q, s, p, l)| Op::CompleteQueued(q, s, p, l)),
        2 => (0..3usize).prop_map(Op::CreateQueue),
        3 => (fifo(), 1..4usize).prop_map(|(q, n)| Op::Enqueue(q, n)),
        2 => (fifo(), maybe(-1..9i64), size()).prop_map(|(q, a, n)| Op::ReadQueue(q, a, n)),
        3 => (fifo(), 0..2usize, -1..9i64).prop_map(|(q, c, l)| Op::Ack(q, c, l)),
        1 => fifo().prop_map(Op::Acks),
        1 => (fifo(), -1..9i64).prop_map(|(q, max)| Op::DeleteMessages(q, max)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        1 => (0..2usize).prop_map(Op::OpenShard),
        1 => (0..2usize).prop_map(Op::ReadShard),
        1 => (0..2usize, off(), -1..3i64).prop_map(|(s, o, by)| Op::TakeShard(s, o, by)),
        1 => (0..2usize, off()).prop_map(|(s, o)| Op::AssertShard(s, o)),
        20 => executions(),
        12 => histories(),
        18 => queues(),
        1 => size().prop_map(Op::Scavenge),
        1 => size().prop_map(Op::Sweep),
        2 => prop_oneof![3 => Just(1i64), 1 => Just(7200)].prop_map(Op::Wait),
        1 => Just(Op::Reopen),
    ]
}

/// A sequence of about this many operations; the shards, and a queue of each sort, are made first.
pub(super) fn sequence(length: usize) -> impl Strategy<Value = Vec<Op>> {
    vec(op(), length / 2..length * 3 / 2).prop_map(|mut ops| {
        let made = [Op::OpenShard(0), Op::OpenShard(1), Op::CreateTaskQueue(0, 1, None), Op::CreateQueue(0)];
        ops.splice(0..0, made);
        ops
    })
}
