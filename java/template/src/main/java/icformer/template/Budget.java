package icformer.template;

import icformer.template.TemplateException.Kind;

/** What is left of what one rendering may cost: every operation accounts for the length of what it reads and makes. */
final class Budget {
    /** Characters that cost one step: about as long as an evaluation takes. */
    private static final int CHARACTERS_PER_STEP = 16;

    private static final int ELEMENTS_PER_STEP = 4;

    /** Characters of a text, elements of a list, bits of a number. */
    private static final int LONGEST = 16 << 20;

    /** Calls within calls. */
    private static final int DEEPEST = 100;

    private final Limits limits;
    private long steps;
    private long allowed;
    private long memory;
    private long written;
    private int depth;

    Budget(Limits limits) {
        this.limits = limits;
        steps = limits.steps();
        allowed = steps;
        memory = limits.bytes();
    }

    /** Steps that have been taken. */
    long taken() {
        return allowed - steps;
    }

    /** Allows for more where much was given: every rendering reads its messages a few times. */
    void given(long characters) {
        steps += 4 * characters;
        allowed += 4 * characters;
        memory += 64 * characters;
    }

    /** Accounts for one evaluation. */
    void step() {
        steps(1);
    }

    /** Accounts for a text that is read. */
    void read(long characters) {
        steps(1 + characters / CHARACTERS_PER_STEP);
    }

    private void steps(long count) {
        steps -= count;
        if (steps < 0) {
            throw new TemplateException(Kind.LIMIT, "the template does not come to an end");
        }
    }

    /** Accounts for a text that is about to be made. */
    void text(long length) {
        read(length);
        make(length, 2);
    }

    /** Accounts for a list that is about to be made, of elements that exist. */
    void list(long size) {
        steps(1 + size / ELEMENTS_PER_STEP);
        make(size, 8);
    }

    /** Accounts for a list that is about to be made together with its elements. */
    void elements(long size) {
        steps(1 + size / ELEMENTS_PER_STEP);
        make(size, 64);
    }

    /** Accounts for a product or power of two numbers of this many bits. */
    void number(long bits, long otherBits) {
        steps(1 + (bits / 64) * (otherBits / 64));
        make((bits + otherBits) / 8, 1);
    }

    private void make(long size, int bytes) {
        if (size > LONGEST) {
            throw new TemplateException(Kind.LIMIT, "the template makes a value of " + size + " characters or elements");
        }
        memory -= size * bytes;
        if (memory < 0) {
            throw new TemplateException(Kind.LIMIT, "the template makes values without end");
        }
    }

    /** Accounts for text that is printed. */
    void write(int length) {
        read(length);
        make(length, 2);
        written += length;
        if (written > limits.output()) {
            throw new TemplateException(Kind.LIMIT, "the template writes more than " + limits.output() + " characters");
        }
    }

    void enter() {
        if (++depth > DEEPEST) {
            throw new TemplateException(Kind.LIMIT, "the template calls itself more than " + DEEPEST + " times over");
        }
    }

    void leave() {
        depth--;
    }
}
