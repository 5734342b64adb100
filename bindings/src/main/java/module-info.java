/** The generated half of the library, for the module that wraps it and for nobody else. */
module icformer.bindings {
    exports icformer.bindings to icformer;
}
