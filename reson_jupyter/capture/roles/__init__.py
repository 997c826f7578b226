"""What a model, a train function, an executor and a persistor must satisfy."""
