//! The faults that can be planted in the toy.

/// One thing that a platform gets wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Scans from the first index, always.
    FavoursTheFirst,
    /// Spends oneshot sources that found no room in the batch.
    LosesOneshotBeyondTheBatch,
    /// Takes edge events that found no room in the batch for reported.
    LosesEdgeBeyondTheBatch,
    /// Reports oneshot sources as if they were level.
    ForgetsOneshot,
    /// Reports a level source once.
    ForgetsLevel,
    /// Reports a token once more after it was deregistered.
    ReportsAfterDeregister,
    /// Empties the batch before it fills it.
    ClearsTheBatch,
    /// Reports only the first event of what would fit.
    ReportsOneAtATime,
    /// Reports hangups to those who asked for nothing.
    ReportsHangupsWithoutInterest,
    /// Reports every direction, regardless of the interest.
    IgnoresInterest,
    /// Reports every reader readable, always.
    AlwaysReadable,
    /// Reports a full connection writable.
    AlwaysWritable,
    /// Reports the two directions one by one.
    SplitsDirections,
    /// Says that the read side is closed as soon as there are bytes.
    LiesAboutTheEnd,
    /// Does not report the end of a stream.
    HidesTheEnd,
    /// Lets a source have two tokens.
    RegistersSourcesTwice,
    /// Believes any token whose index is registered.
    BelievesStaleTokens,
    /// Drops the upper half of a generation.
    CutsGenerations,
    /// Fails as a whole when one source is broken.
    BreaksAsAWhole,
    /// Does not let a broken source go.
    KeepsBrokenSources,
    /// Takes edge mode, and says that it cannot.
    TakesEdgeInSecret,
    /// Forgets a source that is modified to no interest.
    ForgetsSilenced,
    /// Waits for whole milliseconds, rounded down.
    RoundsDown,
    /// Asks again and again until the deadline.
    Spins,
    /// Takes a far deadline for one that passed.
    OverflowsFarDeadlines,
    /// Ends a wait when it is interrupted.
    EndsInterruptedWaits,
    /// Starts a wait over when it is interrupted.
    RestartsInterruptedWaits,
    /// Fails a wait when it is interrupted.
    FailsInterruptedWaits,
    /// Returns at once when there is nothing to wait for.
    WaitsForNothing,
    /// Counts oneshot sources that were reported as something to wait for.
    WaitsForSpentOneshots,
    /// Sleeps although the batch is full.
    SleepsWithAFullBatch,
    /// Goes back in time.
    GoesBackInTime,
    /// Forgets wakes from before the wait.
    LosesEarlyWakes,
    /// Reports a wake until the end of time.
    RepeatsWakes,
    /// Reports every single wake.
    CountsWakes,
    /// Reports wakes when nothing else is ready.
    StarvesWakes,
    /// Reports nothing but the wake.
    StarvesEvents,
    /// Makes a second waker.
    MakesSecondWakers,
    /// Throws away what it holds when it closes gracefully.
    DropsOnClose,
    /// Ends the stream in order when it should reset it.
    AbortsInOrder,
    /// Reads and writes streams that were closed.
    ReadsClosedStreams,
    /// Takes a read into an empty buffer for the end.
    LosesAByteToEmptyReads,
    /// Accepts the last connection first.
    AcceptsBackwards,
    /// Ends the stream of a connection that was reset in order.
    HidesResets,
    /// Takes an attempt that was refused for a connection.
    HidesRefusals,
    /// Loses a byte when a write is cut short.
    LosesABytePerPartialWrite,
    /// Ends both directions on a shutdown.
    ShutsDownBoth,
    /// Takes out what it was asked to show.
    TakesWhatItShows,
    /// Shows only a part of what is there.
    ShowsAPart,
    /// Reports and shows what was left before there is more.
    RepeatsWhatWasLeft,
    /// Never shows again what was left.
    HidesWhatWasLeft,
    /// Does not tell the end while something is left.
    HidesTheEndBehindWhatWasLeft,
    /// Has less room than it says.
    BoastsOfItsRoom,
}
