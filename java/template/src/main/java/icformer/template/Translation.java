package icformer.template;

import org.jspecify.annotations.Nullable;

/** {@code str.maketrans} and {@code str.translate}: characters for characters. */
final class Translation {
    private Translation() {}

    static Object table(@Nullable Object[] given, Budget budget) {
        Dict table = new Dict();
        if (given[1] == null) {
            if (!(Values.require(given[0]) instanceof Dict dict)) {
                throw TemplateException.error("maketrans wants a dict, or texts");
            }
            for (Dict.Item item : dict.items()) {
                table.put(item.key() instanceof String key ? (Object) (long) only(key) : item.key(), item.value(), budget);
            }
            return table;
        }
        int[] from = Values.requireText(given[0]).codePoints().toArray();
        int[] to = Values.requireText(given[1]).codePoints().toArray();
        if (from.length != to.length) {
            throw TemplateException.error("the first two arguments of maketrans must have equal length");
        }
        for (int i = 0; i < from.length; i++) {
            table.put((long) from[i], (long) to[i], budget);
        }
        if (given[2] != null) {
            Values.requireText(given[2]).codePoints().forEach(point -> table.put((long) point, None.NONE, budget));
        }
        return table;
    }

    private static int only(String key) {
        if (key.codePointCount(0, key.length()) != 1) {
            throw TemplateException.error("keys of a table of characters must be characters");
        }
        return key.codePointAt(0);
    }

    static String apply(String text, Object table, Budget budget) {
        if (!(table instanceof Dict dict)) {
            throw TemplateException.error("translate wants a table");
        }
        budget.text(text.length());
        StringBuilder out = new StringBuilder();
        text.codePoints().forEach(point -> {
            Object to = dict.get((long) point, budget);
            switch (to) {
                case null -> out.appendCodePoint(point);
                case None _ -> {}
                case Long other -> out.appendCodePoint(Math.toIntExact(other));
                default -> {
                    String other = Values.requireText(to);
                    budget.text(other.length());
                    out.append(other);
                }
            }
        });
        return out.toString();
    }
}
