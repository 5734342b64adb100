package icformer.internal.tokenizer;

import java.util.Arrays;
import java.util.concurrent.atomic.AtomicReferenceArray;

/** Unicode general categories, in the groups that pre-tokenisers tell apart. */
final class CharacterClass {
    static final int OTHER = 0;
    static final int LETTER = 1;
    static final int NUMBER = 2;
    static final int MARK = 3;
    static final int PUNCTUATION = 4;
    static final int SYMBOL = 5;
    static final int SPACE = 6;

    /**
     * First and last code points of the ranges that Unicode 16.0 assigned. The tables of llama.cpp are those of 15.1, and so
     * are the words that today's models were trained on: to them these are characters of no class.
     */
    private static final int[] SINCE_16 = {
        0x0897, 0x0897, 0x1B4E, 0x1B4F, 0x1B7F, 0x1B7F, 0x1C89, 0x1C8A, 0x2427, 0x2429, 0x31E4, 0x31E5, 0xA7CB, 0xA7CD,
        0xA7DA, 0xA7DC, 0x105C0, 0x105F3, 0x10D40, 0x10D8F, 0x10EC2, 0x10EFC, 0x11380, 0x113E2, 0x116D0, 0x116E3,
        0x11BC0, 0x11BF9, 0x11F5A, 0x11F5A, 0x13460, 0x143FA, 0x16100, 0x16139, 0x16D40, 0x16D79, 0x18CFF, 0x18CFF,
        0x1CC00, 0x1CEB3, 0x1E5D0, 0x1E5FF, 0x1F8B2, 0x1F8C1, 0x1FA89, 0x1FA8F, 0x1FABE, 0x1FABE, 0x1FAC6, 0x1FAC6,
        0x1FADC, 0x1FADF, 0x1FAE9, 0x1FAE9, 0x1FBCB, 0x1FBEF
    };

    /** Classes of the basic plane in pages of 256, each made when the first of its characters is met. */
    private static final AtomicReferenceArray<byte[]> PAGES = new AtomicReferenceArray<>(256);

    private CharacterClass() {}

    static int of(int point) {
        if (point >= 0x10000) {
            return classify(point);
        }
        byte[] page = PAGES.getAcquire(point >> 8);
        return (page == null ? page(point >> 8) : page)[point & 0xFF];
    }

    private static byte[] page(int number) {
        byte[] page = new byte[256];
        for (int i = 0; i < page.length; i++) {
            page[i] = (byte) classify(number << 8 | i);
        }
        PAGES.setRelease(number, page);
        return page;
    }

    private static int classify(int point) {
        if (isSpace(point)) {
            return SPACE;
        }
        if (isSince16(point)) {
            return OTHER;
        }
        return switch (Character.getType(point)) {
            case Character.UPPERCASE_LETTER,
                    Character.LOWERCASE_LETTER,
                    Character.TITLECASE_LETTER,
                    Character.MODIFIER_LETTER,
                    Character.OTHER_LETTER -> LETTER;
            case Character.DECIMAL_DIGIT_NUMBER, Character.LETTER_NUMBER, Character.OTHER_NUMBER -> NUMBER;
            case Character.NON_SPACING_MARK, Character.COMBINING_SPACING_MARK, Character.ENCLOSING_MARK -> MARK;
            case Character.CONNECTOR_PUNCTUATION,
                    Character.DASH_PUNCTUATION,
                    Character.START_PUNCTUATION,
                    Character.END_PUNCTUATION,
                    Character.INITIAL_QUOTE_PUNCTUATION,
                    Character.FINAL_QUOTE_PUNCTUATION,
                    Character.OTHER_PUNCTUATION -> PUNCTUATION;
            case Character.MATH_SYMBOL, Character.CURRENCY_SYMBOL, Character.MODIFIER_SYMBOL, Character.OTHER_SYMBOL ->
                SYMBOL;
            default -> OTHER;
        };
    }

    private static boolean isSince16(int point) {
        int place = Arrays.binarySearch(SINCE_16, point);
        return place >= 0 || (place & 1) == 0; // -(insertion point) - 1, which is even inside of a range
    }

    /** The property White_Space. */
    private static boolean isSpace(int point) {
        return switch (point) {
            case '\t', '\n', 0x0B, '\f', '\r', ' ', 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000 -> true;
            default -> point >= 0x2000 && point <= 0x200A;
        };
    }
}
