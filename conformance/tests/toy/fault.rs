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
    /// Does not sleep any more once a wait was interrupted.
    SpinsAfterInterruptions,
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
    /// Throws away what it has buffered when it closes gracefully.
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
    /// Reports nothing to an interest in hang-ups alone.
    DeafToHangups,
    /// Reports the end of one direction to an interest in hang-ups alone.
    ReportsHalfClosedAsHangup,
    /// Takes any interest in hang-ups for one in hang-ups alone.
    SilencesBesideHangups,
    /// Reports bytes to an interest in hang-ups alone.
    ReportsBytesAsHangup,
    /// Reports no hang-up from before the interest.
    ForgetsEarlyHangups,
    /// Takes an interest in hang-ups alone, and says that it cannot.
    TakesHangupInSecret,
    /// Passes every check.
    ChecksNothing,
    /// Takes a peer that ended its stream for gone.
    ChecksHalfClosedAsGone,
    /// Takes a peer that does not read for gone.
    ChecksFullAsGone,
    /// Takes a byte out to check.
    ChecksByReading,
    /// Checks, and says that it cannot.
    ChecksInSecret,
    /// Writes the last part first.
    WritesPartsBackwards,
    /// Writes the first part, also if it is empty.
    WritesOnlyTheFirstPart,
    /// Says that all parts were taken when some were.
    ClaimsWholeVectors,
    /// Keeps a waker that was given back.
    KeepsReleasedWakers,
    /// Reports the wakes of a waker that was given back to the next one.
    InheritsWakes,
    /// Gives the waker back under any token.
    ReleasesAnyWaker,
    /// Fails after it has added events.
    FailsBesideEvents,
    /// Reports 1,024 events at most.
    LimitsBatches,
    /// Does not report the end of both directions unless the peer has closed.
    HidesTheEndOfBoth,
}
