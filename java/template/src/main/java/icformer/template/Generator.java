package icformer.template;

import java.util.Iterator;

/** Elements that come one after another, once. */
record Generator(Iterator<Object> elements) {}
