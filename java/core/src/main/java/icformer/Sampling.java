package icformer;

import icformer.internal.base.Checks;

/**
 * How a token is chosen from logits. Applied in this order: repetition penalty, temperature, top-k, top-p, min-p; then one
 * token is drawn. The draw depends on the seed, the position and the logits alone.
 *
 * @param temperature 0 or more; 0 is greedy: the most likely token, on the CPU the lowest id among equals
 * @param topK keep the so many most likely tokens; 0 keeps all
 * @param topP keep the fewest tokens whose probabilities reach this, in (0, 1]; 1 keeps all
 * @param minP drop tokens less likely than this times the most likely one, in [0, 1]; 0 drops none
 * @param repetitionPenalty positive logits of recent tokens are divided by it, others multiplied; above 0, 1 is none
 * @param repetitionWindow how many last positions count as recent; -1 for all
 * @param seed of the draw
 */
public record Sampling(
        float temperature, int topK, float topP, float minP, float repetitionPenalty, int repetitionWindow, long seed) {

    private static final Sampling GREEDY = new Sampling(0, 0, 1, 0, 1, -1, 0);

    public Sampling {
        Checks.argument(
                temperature >= 0 && temperature < Float.POSITIVE_INFINITY,
                "temperature is %s, but must be 0 or more",
                temperature);
        Checks.argument(topK >= 0, "topK is %d, but must be 0 or more", topK);
        Checks.argument(topP > 0 && topP <= 1, "topP is %s, but must be above 0 and at most 1", topP);
        Checks.argument(minP >= 0 && minP <= 1, "minP is %s, but must be between 0 and 1", minP);
        Checks.argument(
                repetitionPenalty > 0 && repetitionPenalty < Float.POSITIVE_INFINITY,
                "repetitionPenalty is %s, but must be above 0",
                repetitionPenalty);
        Checks.argument(repetitionWindow >= -1, "repetitionWindow is %d, but must be -1 or more", repetitionWindow);
    }

    /** Always the most likely token. */
    public static Sampling greedy() {
        return GREEDY;
    }

    /** Draws from all tokens at a temperature; the withers narrow the choice. */
    public static Sampling of(float temperature) {
        return GREEDY.withTemperature(temperature);
    }

    /** The same with another temperature. */
    public Sampling withTemperature(float temperature) {
        return new Sampling(temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed);
    }

    /** The same with another number of most likely tokens. */
    public Sampling withTopK(int topK) {
        return new Sampling(temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed);
    }

    /** The same with another sum of probabilities. */
    public Sampling withTopP(float topP) {
        return new Sampling(temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed);
    }

    /** The same with another lowest probability. */
    public Sampling withMinP(float minP) {
        return new Sampling(temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed);
    }

    /** The same with another repetition penalty over the last {@code window} positions. */
    public Sampling withRepetitionPenalty(float penalty, int window) {
        return new Sampling(temperature, topK, topP, minP, penalty, window, seed);
    }

    /** The same with another seed. */
    public Sampling withSeed(long seed) {
        return new Sampling(temperature, topK, topP, minP, repetitionPenalty, repetitionWindow, seed);
    }
}
