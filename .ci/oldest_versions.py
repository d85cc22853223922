"""Print the oldest supported version of every dependency that the tests use, one requirement per line."""

import tomllib

EXTRAS = ("dask", "fast", "fetch", "onnx", "test")

with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)["project"]
requirements = [*project["dependencies"]]
for extra in EXTRAS:
    requirements += project["optional-dependencies"][extra]
print(
    "\n".join(
        each.replace(">=", "==") for each in requirements if not each.startswith(project["name"])
    )
)
