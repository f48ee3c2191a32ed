"""Finds lines of text with the detector of the Python package rapidocr_onnxruntime itself.

    python reference.py FOLDER PICTURE... > reference.json

FOLDER has the package and the weights. reference.json has a list for each picture: the smallest
upright rectangles [left, top, right, bottom] around the boxes that the package finds.

It needs the packages that the package imports: numpy, opencv-python-headless, onnxruntime, pyclipper,
shapely, PyYAML and Pillow.
"""

import glob
import json
import sys
import zipfile

(package,) = glob.glob(sys.argv[1] + "/rapidocr_onnxruntime-*.whl")
sys.path.insert(0, package)

import cv2
import yaml
from rapidocr_onnxruntime.ch_ppocr_det import TextDetector


def main():
    config = yaml.safe_load(zipfile.ZipFile(package).read("rapidocr_onnxruntime/config.yaml"))["Det"]
    (config["model_path"],) = glob.glob(sys.argv[1] + "/*_det_infer.onnx")
    detect, results = TextDetector(config), []
    for picture in sys.argv[2:]:
        boxes, _ = detect(cv2.imread(picture))
        results.append([[int(v) for v in (*box.min(0), *box.max(0))] for box in boxes])
    json.dump(results, sys.stdout)


main()
