"""Where each published trace file comes from, and its SHA-256.

All are of the MIT-licensed public repository of FCPO, OctoCross and OctopInf, at pinned commits. ``bandwidth-1hz/`` is
not published as files: its CSVs are converted from arrays of one script. The 5G measurements behind them are by Raca et
al. (MMSys 2020).
"""

from __future__ import annotations

from typing import NamedTuple, Optional

REPOSITORY = "https://raw.githubusercontent.com/tungngreen/PipelineScheduler"
OCTOCROSS = "a713bce3dc1f9e036e18824a6b83ef69411103ed"
FCPO = "1b79e8fef210c6ac445dc1e79125b38f97801d37"
OCTOPINF = "ab9bc150f07f8225ba2fd7fd6933dfa4a32eb50a"
RATES_SCRIPT = "scripts/create_json_from_5g_dataset.py"


class Source(NamedTuple):
    """One file.

    Attributes:
        path: in the data folder.
        commit: of the repository.
        upstream: path in the repository.
        sha256: of the file as it lies in the data folder.
        arrays: number of the ``timestampsN`` and ``bandwidthsN`` in ``upstream`` that it is converted from, or None.
    """

    path: str
    commit: str
    upstream: str
    sha256: str
    arrays: Optional[int] = None

    @property
    def url(self) -> str:
        return f"{REPOSITORY}/{self.commit}/{self.upstream}"


SOURCES = (
    Source(
        "aicity/AIcity.csv",
        OCTOCROSS,
        "Data_analysis/AIcity.csv",
        "47307bc298df2c1e80f0f9f6c8b212abe69c4898b6a3087c790e9381a15c4a7f",
    ),
    Source(
        "aicity/AIcity_balance.csv",
        OCTOCROSS,
        "Data_analysis/AIcity_balance.csv",
        "9b6d45ed969542199ae4e4b2795a6fad29b76a10d676b6b092c3663e2526ffb1",
    ),
    Source(
        "bandwidth-1hz/moving-11.csv",
        FCPO,
        RATES_SCRIPT,
        "5a9c60f2a39d34989669490fd9657938cd5b64dda1bf795dd1fe6adaf13249a7",
        11,
    ),
    Source(
        "bandwidth-1hz/moving-12.csv",
        FCPO,
        RATES_SCRIPT,
        "5d2268dee57ed38e1d9cd762312bb1a31d3d0db9ee6ec6f9be27e3f5f8ccf090",
        12,
    ),
    Source(
        "bandwidth-1hz/moving-13.csv",
        FCPO,
        RATES_SCRIPT,
        "620e42602a3d5aeb2951919b0cc845f6ba33bee971515c7dd795e9e438fe971e",
        13,
    ),
    Source(
        "bandwidth-1hz/moving-14.csv",
        FCPO,
        RATES_SCRIPT,
        "0d4736203faf5c190bdb6b8a9282b35de4cd57f09920b644cd71c4273704d625",
        14,
    ),
    Source(
        "bandwidth-1hz/moving-15.csv",
        FCPO,
        RATES_SCRIPT,
        "b8614d09c6c3ff5621ecbe3b99be5ed44b9ae6f225f2c6e9c21a76593b209ef0",
        15,
    ),
    Source(
        "bandwidth-1hz/moving-16.csv",
        FCPO,
        RATES_SCRIPT,
        "797d843fda3df8fb2d26cc51f8e3629644a7d0fd5fc102441fc0091c93dae02d",
        16,
    ),
    Source(
        "bandwidth-1hz/moving-17.csv",
        FCPO,
        RATES_SCRIPT,
        "94bad9fe4dfc85a1a054d523b3e54bb1d8d798a96eeafea20a7532287bfc9448",
        17,
    ),
    Source(
        "bandwidth-1hz/static-01.csv",
        FCPO,
        RATES_SCRIPT,
        "6044842d62c3c0debbf31cac3b511010c0837fdc2f1e629e3d3a6f57d8a8c0e7",
        1,
    ),
    Source(
        "bandwidth-1hz/static-02.csv",
        FCPO,
        RATES_SCRIPT,
        "383d41ca58b953c64449169d6a2e87eae1417d84b4c4c2d6d56b357c37df357d",
        2,
    ),
    Source(
        "bandwidth-1hz/static-03.csv",
        FCPO,
        RATES_SCRIPT,
        "499039668c783ea35a1d1fee2dbddd3254447c1486f0e4e9be9bec3551bc277e",
        3,
    ),
    Source(
        "bandwidth-1hz/static-04.csv",
        FCPO,
        RATES_SCRIPT,
        "d438868ef45f2f4b7f6483e917d07f396240340df3afe1f56cb837e6fa2c3ba0",
        4,
    ),
    Source(
        "bandwidth-1hz/static-05.csv",
        FCPO,
        RATES_SCRIPT,
        "62eb1c2393884df3578e761d840bdfc163514ab9a1fd7aa789a74969a5c36f6e",
        5,
    ),
    Source(
        "bandwidth-1hz/static-06.csv",
        FCPO,
        RATES_SCRIPT,
        "f12a5a22c4555f97baf440df72d1c857fe10f4dc0809916caab08fe159cac16d",
        6,
    ),
    Source(
        "bandwidth-1hz/static-07.csv",
        FCPO,
        RATES_SCRIPT,
        "0d35b0f7c1f4a2bd2bfad81ba376d16166381880919d7bf659547c6287407b5e",
        7,
    ),
    Source(
        "bandwidth-30s/bandwidth_limits0.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits0.json",
        "ce13ec224fd3c17f8bc989166cbd68dc631c3b4fecd1a43df4f4e250dfba72b3",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits1.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits1.json",
        "0da4876f8b59458ace76c73d1590b97bc810badf461c5cb17427595e015be812",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits11.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits11.json",
        "39700a26db203751d19d51735540d2ceb1a7f39439344fa0fe82e49ca3c891cd",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits12.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits12.json",
        "6ab688426d8e87051e57df6879c71aed312a57f21a48749df04253fd95dd5b72",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits13.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits13.json",
        "895e53fae5385dbca77f982198bffcafd45f2d6f6fa7ba05bc2e99c87fc61244",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits14.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits14.json",
        "7eb4a4a481a4200e9642bb37b67d32a63c747eb34fb63af689b15ae47be67123",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits15.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits15.json",
        "2d070430207220d655b4c29978b404ad1ae6f93a68aab4bc35f91747f088361b",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits16.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits16.json",
        "c503408033f1755b3ad090fd6a72a568f126856ad88204f54391eafd33b8e6f2",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits17.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits17.json",
        "4e78f1073260510e680ece6170884558c90deecaeb12892cae07d63240e62fbe",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits2.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits2.json",
        "d8244c6e454122d04bf8d7dd9d03480fe84f434d00cdf2dfb43b823e22314271",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits3.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits3.json",
        "71b29b71a23c4f0febb9e6b76e46d6b7e2be44e731d050185507bf607af790b6",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits4.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits4.json",
        "17a69b112a963449262c7a70cc1cbd3bf7a94f209dd7470e0983b7fcd4b2bf50",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits5.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits5.json",
        "4e982a409a666ef4bab115ea888c2e233a0e59c8b6aedb82b2afb05938c6bd89",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits6.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits6.json",
        "e584bf247bdfdd652ece178d9a2afcd6625db1c8b370d68d05dd90f90842086b",
    ),
    Source(
        "bandwidth-30s/bandwidth_limits7.json",
        FCPO,
        "jsons/bandwidths/bandwidth_limits7.json",
        "d17d1ddf58e1da3d6c86502e1ee30f19ec27e8401e55a629452617a469ebfdcf",
    ),
    Source(
        "campus/bandwidth.cites",
        OCTOCROSS,
        "Data_analysis/bandwidth.cites",
        "15455d598e7b7274425d7b98b3d671d68baf6dc60cf62bdebb876c1d75a618ef",
    ),
    Source(
        "campus/gt_campus.csv",
        OCTOCROSS,
        "Data_analysis/gt_campus.csv",
        "0197a1fdd938227abd19f081eb27840d5a750ec73f2765e3f50c2b9e5f217a10",
    ),
    Source(
        "campus/s01_person.json",
        OCTOCROSS,
        "Data_analysis/s01_person.json",
        "3273806996676c70fc9073ddc7943e795c77c9b59bac34f742e775bfeff9ca0c",
    ),
    Source(
        "fcpo/object_count.json",
        FCPO,
        "jsons/object_count.json",
        "28e9387f3eb6fb81a17194f436249c899bc82b76ad308a707c10b459423c676f",
    ),
    Source(
        "fcpo/object_count_octopinf.json",
        OCTOPINF,
        "jsons/object_count.json",
        "2fdbd10307bd9c4406a71d6853c4c8620c8691d8de72028e717a57a250f4db0b",
    ),
)
