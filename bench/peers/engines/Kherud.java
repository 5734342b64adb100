import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.LlamaOutput;
import de.kherud.llama.ModelParameters;
import de.kherud.llama.args.LogFormat;

/**
 * Kherud MODEL N THREADS: greedy decoding of N tokens by de.kherud:llama; prints the mean time of a token from the second on,
 * since the first contains the prompt.
 */
final class Kherud {
    public static void main(String[] args) {
        int count = Integer.parseInt(args[1]);
        int threads = Integer.parseInt(args[2]);
        LlamaModel.setLogger(LogFormat.TEXT, (level, message) -> {});
        ModelParameters parameters = new ModelParameters()
                .setModel(args[0])
                .setCtxSize(count + 64)
                .setThreads(threads)
                .setThreadsBatch(threads);
        LlamaModel model = new LlamaModel(parameters);
        InferenceParameters inference = new InferenceParameters("t1")
                .setTemperature(0)
                .setIgnoreEos(true)
                .setCachePrompt(false)
                .setNPredict(count + 1);
        long first = 0;
        long last = 0;
        int tokens = 0;
        for (LlamaOutput output : model.generate(inference)) {
            last = System.nanoTime();
            if (tokens++ == 0) {
                first = last;
            }
        }
        if (tokens < 2) {
            throw new IllegalStateException("it generated " + tokens + " tokens");
        }
        System.out.println("{\"tokens\": " + (tokens - 1) + ", \"ms_per_token\": " + (last - first) / 1e6 / (tokens - 1) + "}");
        System.out.flush();
        Runtime.getRuntime().halt(0); // closing the model waits forever at times
    }
}
