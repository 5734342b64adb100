package icformer.cli.bench;

/** Sizes of a pair whose weights are made on the spot. */
enum BenchShape {
    /** As the demo pair. */
    DEMO("demo", 128, 384, 4, 4, 4, 1184, 2048, 16, 64),
    /** As TinyLlama 1.1B. */
    SMALL("1.1b", 2048, 5632, 32, 4, 22, 32000, 2048, 128, 512),
    /** As Llama 2 7B, with the former of 607 million parameters of the IC-Former paper. */
    LARGE("7b", 4096, 11008, 32, 32, 32, 32000, 4096, 128, 512);

    /** Layers of the former. */
    static final int FORMER_LAYERS = 3;

    private final String text;
    final int width;
    final int feedForwardWidth;
    final int heads;
    final int kvHeads;
    final int layers;
    final int vocabularySize;
    final int context;
    final int digestRows;
    final int chunkLength;

    BenchShape(
            String text,
            int width,
            int feedForwardWidth,
            int heads,
            int kvHeads,
            int layers,
            int vocabularySize,
            int context,
            int digestRows,
            int chunkLength) {
        this.text = text;
        this.width = width;
        this.feedForwardWidth = feedForwardWidth;
        this.heads = heads;
        this.kvHeads = kvHeads;
        this.layers = layers;
        this.vocabularySize = vocabularySize;
        this.context = context;
        this.digestRows = digestRows;
        this.chunkLength = chunkLength;
    }

    /** Width of keys and of values. */
    int kvWidth() {
        return width / heads * kvHeads;
    }

    @Override
    public String toString() {
        return text;
    }
}
