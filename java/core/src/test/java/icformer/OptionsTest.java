package icformer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import icformer.error.IcfException;
import icformer.error.Status;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class OptionsTest {

    @Test
    void withersChangeOneThingEach() {
        Sampling sampling = Sampling.of(0.7f)
                .withTopK(40)
                .withTopP(0.9f)
                .withMinP(0.05f)
                .withRepetitionPenalty(1.1f, 64)
                .withSeed(42);

        assertThat(sampling).isEqualTo(new Sampling(0.7f, 40, 0.9f, 0.05f, 1.1f, 64, 42));
        assertThat(sampling.withTemperature(0).temperature()).isZero();
        assertThat(Sampling.greedy()).isEqualTo(new Sampling(0, 0, 1, 0, 1, -1, 0));
    }

    static Stream<ThrowingCallable> refused() {
        Sampling sampling = Sampling.greedy();
        return Stream.of(
                () -> sampling.withTemperature(-1),
                () -> sampling.withTemperature(Float.NaN),
                () -> sampling.withTemperature(Float.POSITIVE_INFINITY),
                () -> sampling.withTopK(-1),
                () -> sampling.withTopP(0),
                () -> sampling.withTopP(1.5f),
                () -> sampling.withTopP(Float.NaN),
                () -> sampling.withMinP(-0.1f),
                () -> sampling.withMinP(1.1f),
                () -> sampling.withRepetitionPenalty(0, 64),
                () -> sampling.withRepetitionPenalty(1, -2),
                () -> ModelOptions.defaults().withDevice(-2),
                () -> ModelOptions.defaults().withGpuLayers(-2),
                () -> DigesterOptions.defaults().withThreads(-1),
                () -> DigesterOptions.defaults().withDevice(-2),
                () -> DigesterOptions.defaults().withMaxTableBytes(-2),
                () -> SessionOptions.defaults().withThreads(-1),
                () -> SessionOptions.defaults().withContextLength(-1),
                () -> SessionOptions.defaults().withBatchLength(-1),
                () -> DigestOptions.defaults().withMaxChunk(-2),
                () -> DigestOptions.defaults().withChunkRows(-1),
                () -> DigestOptions.defaults().withBatch(0),
                () -> Outputs.logits(-1));
    }

    @ParameterizedTest
    @MethodSource("refused")
    void valuesOutOfRangeAreRefused(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOfSatisfying(
                        IcfException.class, e -> assertThat(e.status()).isEqualTo(Status.ARGUMENT))
                .hasMessageContaining("must be");
    }
}
