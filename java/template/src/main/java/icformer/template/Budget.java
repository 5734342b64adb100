package icformer.template;


/** What is left of what one rendering may cost. */
final class Budget {
    /** Evaluations: a second or so of a computer's time. */
    private static final long STEPS = 20_000_000;

    /** Bytes of all values that are made, about: what a rendering can hold at once. */
    private static final long MEMORY = 512L << 20;

    /** Characters of a text, elements of a list. */
    private static final int LONGEST = 16 << 20;

    /** Calls within calls. */
    private static final int DEEPEST = 100;

    private long steps = STEPS;
    private long memory = MEMORY;
    private int depth;

    /** Accounts for one evaluation. */
    void step() {
        if (--steps < 0) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template does not come to an end");
        }
    }

    /** Accounts for a text that is about to be made. */
    void text(long length) {
        make(length, 2);
    }

    /** Accounts for a list that is about to be made, of elements that exist. */
    void list(long size) {
        make(size, 8);
    }

    /** Accounts for a list that is about to be made together with its elements. */
    void elements(long size) {
        make(size, 64);
    }

    private void make(long size, int bytes) {
        step();
        if (size > LONGEST) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template makes a value of " + size + " characters or elements");
        }
        memory -= size * bytes;
        if (memory < 0) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template makes values without end");
        }
    }

    void enter() {
        if (++depth > DEEPEST) {
            throw new TemplateException(TemplateException.Kind.LIMIT, "the template calls itself more than " + DEEPEST + " times over");
        }
    }

    void leave() {
        depth--;
    }
}
