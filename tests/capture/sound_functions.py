"""Realistic train and validate functions in which nothing is wrong, each under what is special about it."""

from __future__ import annotations

SOUND = {
    "a payload function as documented": """
        def fl_train_model(payload, out_dir, logger):
            env = payload["env"]
            model = Net(10)
            model.load_state_dict(payload["initial_weights"])
            model.train()
            optimizer = torch.optim.SGD(model.parameters(), lr=env["LR"])
            for x, y in loader(env["DATA_ROOT"]):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                logger.log_metric({"loss": 1.0})
            return {"weights": model.state_dict(), "samples": 10 * len(x)}""",
    "a model function as documented": """
        def fl_train(model, env, out_dir, logger):
            model.train()
            for x, y in loader(env):
                F.cross_entropy(model(x), y).backward()
            return {"weights": model.state_dict(), "samples": len(x)}""",
    "weights loaded by a helper that gets the payload": """
        def fl_train_model(payload):
            model = build(payload).train()
            return {"weights": model.state_dict(), "samples": count(model)}""",
    "weights loaded by a helper that gets what get() returns": """
        def fl_train_model(payload):
            model = Net()
            model.train()
            restore(model, payload.get("initial_weights"))
            return {"weights": model.state_dict(), "samples": n()}""",
    "the weights' key in a variable": """
        def fl_train_model(payload):
            model = Net()
            model.load_state_dict(payload[KEY])
            return {"weights": model.state_dict(), "samples": n()}""",
    "the payload under another name": """
        def fl_train_model(data):
            p = data
            weights = p["initial_weights"]
            model = Net()
            model.load_state_dict(weights)
            return {"weights": model.state_dict(), "samples": n()}""",
    "the payload unpacked": """
        def fl_train_model(payload):
            return run(**payload)""",
    "the payload in a nested function": """
        def fl_train_model(payload):
            def load(module):
                module.load_state_dict(payload["initial_weights"])
                return module
            model = load(Net())
            return {"weights": model.state_dict(), "samples": n()}""",
    "a match on the payload": """
        def fl_train_model(payload):
            match payload:
                case {"env": env, "initial_weights": weights}:
                    model = Net()
                    model.load_state_dict(weights)
            return {"weights": model.state_dict(), "samples": n()}""",
    "a decorator that may load the weights": """
        @with_model
        def fl_train_model(payload):
            return {"weights": payload["model"].state_dict(), "samples": n()}""",
    "everything in a helper": """
        def fl_train_model(payload, out_dir, logger):
            return train(payload, out_dir, logger)""",
    "train() before the best weights so far are put back": """
        def fl_train_model(payload):
            model = Net()
            init(model, payload["initial_weights"])
            model.train()
            best = copy.deepcopy(model.state_dict())
            fit(model)
            model.load_state_dict(best)
            return {"weights": model.state_dict(), "samples": n()}""",
    "train() of another object": """
        def fl_train_model(payload):
            trainer = Trainer(Net())
            trainer.train()
            model = trainer.model
            model.load_state_dict(payload["initial_weights"])
            return {"weights": model.state_dict(), "samples": n()}""",
    "train(False) above the load": """
        def fl_train_model(payload):
            model = Net()
            model.train(False)
            model.load_state_dict(payload["initial_weights"])
            return {"weights": model.state_dict(), "samples": n()}""",
    "train() in a branch": """
        def fl_train_model(payload):
            model = Net()
            if payload["env"]["CURRENT_ROUND"]:
                model.train()
            model.load_state_dict(payload["initial_weights"])
            return {"weights": model.state_dict(), "samples": n()}""",
    "a constant count only where there is no data": """
        def fl_train(model, env, out_dir, logger):
            data = read(env)
            if not data:
                return {"weights": model.state_dict(), "samples": 1}
            return {"weights": model.state_dict(), "samples": len(data)}""",
    "a count that is put into the result later": """
        def fl_train(model, env, out_dir, logger):
            result = {"weights": model.state_dict(), "samples": 1}
            result["samples"] = fit(model)
            return result""",
    "a count that other entries may replace": """
        def fl_train(model, env, out_dir, logger):
            return {"weights": model.state_dict(), "samples": 1, **fit(model)}""",
    "weights brought to the CPU one by one": """
        def fl_train_model(payload):
            model = Net().to(payload["env"]["DEVICE"])
            model.load_state_dict(payload["initial_weights"])
            return {"weights": {k: v.cpu() for k, v in model.state_dict().items()}, "samples": n()}""",
    "the model brought back to the CPU": """
        def fl_train(model, env, out_dir, logger):
            model.cuda()
            fit(model)
            model.to("cpu")
            return {"weights": model.state_dict(), "samples": n()}""",
    "the model brought back by to(torch.device)": """
        def fl_train(model, env, out_dir, logger):
            home = torch.device("cpu")
            model = model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
            model = model.to(home)
            return {"weights": model.state_dict(), "samples": n()}""",
    "a device that may be anything": """
        def fl_train(model, env, out_dir, logger):
            model.to(DEVICE)
            return {"weights": model.state_dict(), "samples": n()}""",
    "a device chosen by statements": """
        def fl_train(model, env, out_dir, logger):
            device = "cpu"
            if torch.cuda.is_available():
                device = "cuda"
            model.to(device)
            return {"weights": model.state_dict(), "samples": n()}""",
    "only the batches moved, and a dtype": """
        def fl_train(model, env, out_dir, logger):
            model.to(torch.float32)
            for x in batches():
                model(x.to("cuda")).sum().backward()
            return {"weights": model.state_dict(), "samples": n()}""",
    "other weights than those of the model that moved": """
        def fl_train(model, env, out_dir, logger):
            teacher = Teacher().cuda()
            return {"weights": model.state_dict(), "samples": distill(teacher, model)}""",
    "print before and after the loop, and in loops that do not train": """
        def fl_train(model, env, out_dir, logger):
            print("starting")
            for name, value in env.items():
                print(name, value)
            for x, y in loader(env):
                loss(model(x), y).backward()
            print("done")
            return {"weights": model.state_dict(), "samples": n()}""",
    "print to a file, and one of the function's own": """
        def fl_train(model, env, out_dir, logger):
            print = logger.info
            for x, y in loader(env):
                loss(model(x), y).backward()
                print("a batch")
            return {"weights": model.state_dict(), "samples": n()}""",
    "print to a file in the loop": """
        def fl_train(model, env, out_dir, logger):
            for x, y in loader(env):
                loss(model(x), y).backward()
                print("a batch", file=log)
            return {"weights": model.state_dict(), "samples": n()}""",
    "a function nested in the loop that prints": """
        def fl_train(model, env, out_dir, logger):
            for x, y in loader(env):
                hook = lambda value: print(value)
                loss(model(x), y).backward()
            return {"weights": model.state_dict(), "samples": n()}""",
    "weights left in out_dir": """
        def fl_train(model, env, out_dir, logger):
            torch.save(model.state_dict(), f"{out_dir}/state_dict.pt")
            return {"samples": n()}""",
    "weights left in a folder of another name by a helper": """
        def fl_train_model(payload, folder):
            model = Net()
            model.load_state_dict(payload["initial_weights"])
            save(model, folder)
            return {"num_samples": n()}""",
    "weights left in a folder that comes with the rest": """
        def fl_train_model(payload, **rest):
            save(build(payload), rest["out_dir"])
            return {"num_samples": n()}""",
    "a result of dict()": """
        def fl_train(model, env, out_dir, logger):
            return dict(state_dict=model.state_dict(), num_samples=n())""",
    "a result that is made step by step": """
        def fl_train(model, env, out_dir, logger):
            result = {}
            result["weights"] = model.state_dict()
            result["samples"] = n()
            return result""",
    "a result of keys that a variable holds": """
        def fl_train(model, env, out_dir, logger):
            return {KEY: model.state_dict(), "samples": n()}""",
    "an early end without weights": """
        def fl_train(model, env, out_dir, logger):
            if env["CURRENT_ROUND"] > 3:
                return None
            return finish(model)""",
    "one that only raises": """
        def fl_train(model, env, out_dir, logger):
            raise NotImplementedError""",
    "one that is not written yet": """
        def fl_train_model(payload):
            '''Trains.'''
            ...""",
    "one that ends the process": """
        def fl_train(model, env, out_dir, logger):
            os._exit(3)""",
    "one that never ends": """
        def fl_train(model, env, out_dir, logger):
            while True:
                logger.check_task_abort()""",
    "state and checkpoints in the run's folders": """
        def fl_train(model, env, out_dir, logger):
            torch.save(model.state_dict(), os.path.join(env["STATE_DIR"], "last.pt"))
            torch.save(model, Path(out_dir) / "model.pt")
            torch.save(model, f"{env['STATE_DIR']}/model.pt")
            torch.save(model, "/app/out/extra.pt")
            torch.save(model, buffer)
            torch.save(model, "/".join([out_dir, "model.pt"]))
            torch.save(model, env["STATE_DIR"] + "/model.pt")
            torch.save(model, Path("models").resolve())
            return {"weights": model.state_dict(), "samples": n()}""",
    "a validate function of its own": """
        def fl_validate_model(payload):
            model = Net()
            model.load_state_dict(payload["initial_weights"])
            model.eval()
            for x, y in loader():
                print(x.shape)
            return {"accuracy": 1.0}""",
    "a validate function that counts to a constant": """
        def fl_validate(model, env, out_dir, logger):
            model.cuda()
            return {"accuracy": 0.5, "samples": 3}""",
    "a GAN with two optimizers and several values a step": """
        def fl_train_model(payload, out_dir, logger=None):
            gan = nn.ModuleDict({"g": Generator(), "d": Discriminator()})
            gan.load_state_dict(payload["initial_weights"], strict=True)
            total = 0
            for real in loader(payload["env"]["DATA_ROOT"]):
                for part, optimizer in optimizers(gan).items():
                    optimizer.step(lambda: step(gan, part, real))
                total += len(real)
            return {"state_dict": gan.state_dict(), "num_samples": total, "d_loss": float(real.mean())}""",
}
