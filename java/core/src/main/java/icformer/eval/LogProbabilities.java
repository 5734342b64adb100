package icformer.eval;

/** Softmax of logits in logarithms, in double precision. */
public final class LogProbabilities {
    private LogProbabilities() {}

    /**
     * {@code -ln softmax(logits)[token]}, in nats.
     *
     * @param logits [vocabulary]
     */
    public static double negative(float[] logits, int token) {
        return logSum(logits) - logits[token];
    }

    /** {@code ln Σ exp(logits)}, by the largest of them: nothing overflows. */
    static double logSum(float[] logits) {
        float largest = logits[largest(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - largest);
        }
        return largest + Math.log(sum);
    }

    /** Index of the largest logit, the first of equal ones. */
    static int largest(float[] logits) {
        int best = 0;
        for (int i = 1; i < logits.length; i++) {
            if (logits[i] > logits[best]) {
                best = i;
            }
        }
        return best;
    }

    /**
     * Kullback-Leibler divergence of two rows of logits: {@code Σ p · (ln p - ln q)}, in nats, with {@code p} and {@code q}
     * their softmax. Never negative, but for rounding.
     */
    static double divergence(float[] p, float[] q) {
        double logSumP = logSum(p);
        double logSumQ = logSum(q);
        double sum = 0;
        for (int i = 0; i < p.length; i++) {
            double logP = p[i] - logSumP;
            sum += Math.exp(logP) * (logP - (q[i] - logSumQ));
        }
        return Math.max(sum, 0);
    }
}
