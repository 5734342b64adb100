package icformer;

import icformer.error.IcfException;
import icformer.error.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.Map;

/** The readers of formers that a model's sessions have needed so far: each is opened once. */
final class Readers implements AutoCloseable {
    /** A file that was replaced is another one. */
    private record Key(Path file, long bytes, FileTime modified) {}

    private final Map<Key, Adapter> opened = new HashMap<>();
    private boolean closed;

    synchronized Adapter get(Model model, Former former) throws IOException {
        if (closed) {
            throw new IcfException(Status.STATE, "the model is closed");
        }
        Path file = former.file().toAbsolutePath();
        Key key;
        try {
            BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
            key = new Key(file, attributes.size(), attributes.lastModifiedTime());
        } catch (NoSuchFileException e) {
            throw new IcfException(
                    Status.IO, "%s is gone: the reader of its former cannot be read".formatted(former.file()), e);
        }
        Adapter reader = opened.get(key);
        if (reader == null) {
            reader = model.openReader(former);
            opened.put(key, reader);
        }
        return reader;
    }

    @Override
    public synchronized void close() {
        closed = true;
        opened.values().forEach(Adapter::close);
        opened.clear();
    }
}
