package icformer.template;

/** A text that needs no escaping: what is added to it is escaped first. */
record Markup(String text) {
    /** A text, or a text that is safe already, as one that is safe. */
    static Markup escape(Object value, Budget budget) {
        return value instanceof Markup markup ? markup : new Markup(escaped(Repr.text(value, budget), budget));
    }

    private static String escaped(String text, Budget budget) {
        budget.text(text.length());
        StringBuilder out = new StringBuilder(text.length() + 16);
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '\'' -> out.append("&#39;");
                case '"' -> out.append("&#34;");
                default -> out.append(c);
            }
        }
        budget.text(out.length());
        return out.toString();
    }

    @Override
    public String toString() {
        return text;
    }
}
