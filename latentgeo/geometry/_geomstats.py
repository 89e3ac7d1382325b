"""What is used of geomstats.

NumPy 2.4 dropped `trapz` for `trapezoid`; geomstats 2.8 imports the former, and needs nothing else
that is gone. So the name is put back, unless it is there, before geomstats is imported.
"""

import numpy as np

if not hasattr(np, "trapz"):
    vars(np)["trapz"] = np.trapezoid

import geomstats.backend as gs
from geomstats.geometry.manifold import Manifold
from geomstats.geometry.matrices import Matrices
from geomstats.geometry.product_manifold import ProductManifold
from geomstats.geometry.riemannian_metric import RiemannianMetric

__all__ = ["Manifold", "Matrices", "ProductManifold", "RiemannianMetric", "gs"]
