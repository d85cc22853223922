"""Commands with a network that takes images of fewer pixels than those of MNIST."""

import pytest
from PIL import Image, ImageDraw

from skmlp import ImageResizer, MLPDigitClassifier, load_mnist, save_model


@pytest.fixture(scope="module")
def network_of_smaller_images(mnist_dir):
    """Return a network that takes images of 16 x 16 pixels."""
    X, y = load_mnist(mnist_dir, return_X_y=True)
    mlp = MLPDigitClassifier((32,), input_scale=1 / 255, image_shape=(16, 16), random_state=0)
    mlp.set_params(max_iter=3, n_iter_no_change=None)
    return mlp.fit(ImageResizer((16, 16)).fit_transform(X), y)


def test_images_are_resized_for_a_network_of_smaller_images(
    succeeds, tmp_path, mnist_dir, network_of_smaller_images
):
    trained, model = network_of_smaller_images, tmp_path / "model.safetensors"
    save_model(trained, model)
    X, y = load_mnist(mnist_dir, subset="test", return_X_y=True)
    X = ImageResizer((16, 16)).fit_transform(X)
    accuracy = f"{100 * trained.score(X, y):.2f} %"
    assert f"accuracy  {accuracy}" in succeeds("evaluate", model, "--data", mnist_dir)
    exported = succeeds("export", model, "--c", tmp_path / "small.c", "--check", mnist_dir)
    assert f"(model: {accuracy})" in exported
    lines = succeeds("predict", model, find_images(mnist_dir)).splitlines()
    assert [int(line.split()[1]) for line in lines] == trained.predict(X).tolist()


def test_pictures_are_resized_for_a_network_of_smaller_images(
    succeeds, tmp_path, mnist_dir, network_of_smaller_images
):
    X, y = load_mnist(mnist_dir, subset="test", return_X_y=True)
    save_model(network_of_smaller_images, tmp_path / "model.safetensors")
    picture = Image.new("L", (640, 480), 225)
    ImageDraw.Draw(picture).line([(250, 130), (390, 130), (300, 360)], fill=40, width=22)
    picture.save(tmp_path / "photo.png")
    out = succeeds("predict", tmp_path / "model.safetensors", tmp_path / "photo.png")
    assert out.split()[1] == "7"
    small = X[:1].reshape(28, 28)
    Image.fromarray(small).save(tmp_path / "digit.png")
    out = succeeds("predict", tmp_path / "model.safetensors", tmp_path / "digit.png")
    assert int(out.split()[1]) == y[0]


def find_images(directory):
    """Return the path of the test images of MNIST."""
    return next(path for path in directory.iterdir() if path.name.startswith("t10k-images"))
