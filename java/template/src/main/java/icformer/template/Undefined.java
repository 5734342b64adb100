package icformer.template;

/**
 * The value of what is not there: empty and false, and nothing can be done with it.
 *
 * @param reason what is not there, for messages
 */
record Undefined(String reason) {
    @Override
    public boolean equals(Object other) {
        return other instanceof Undefined;
    }

    @Override
    public int hashCode() {
        return 0;
    }
}
